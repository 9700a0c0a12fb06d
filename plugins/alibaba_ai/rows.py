"""Rows of a parquet or JSON lines object as AIRec's documents: every field a string, times in epoch seconds."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import pyarrow.parquet as pq

from searchloom.cloud.airec_rows import Row
from searchloom.errors import UsageError

_BATCH = 4096

Command = Literal["add", "update", "delete"]


def rows_of(path: Path, *, columns: Mapping[str, str], command: Command) -> Iterator[Row]:
    """Read rows one by one. ``columns``: name in the file -> AIRec's field; empty: every column under its own name.

    Raises ``UsageError`` for a file that is neither and for a line that is no JSON object.
    """
    for record in _records(path):
        chosen = {columns[name]: record.get(name) for name in columns} if columns else record
        fields = {name: _text(value) for name, value in chosen.items() if value is not None}
        yield Row(fields, command)


def _records(path: Path) -> Iterator[Mapping[str, Any]]:
    if path.suffix == ".parquet":
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(_BATCH):
                yield from batch.to_pylist()
    elif path.suffix in {".jsonl", ".ndjson"}:
        with path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    yield _object(line, number)
    else:
        raise UsageError(f"{path.name!r} is neither .parquet nor .jsonl; convert it first")


def _object(line: str, number: int) -> Mapping[str, Any]:
    try:
        record = json.loads(line)
    except ValueError as error:
        raise UsageError(f"line {number} is no JSON: {error}") from error
    if not isinstance(record, dict):
        raise UsageError(f"line {number} is no JSON object")
    return record


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, datetime):
        moment = value if value.tzinfo else value.replace(tzinfo=UTC)
        return str(int(moment.timestamp()))
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, list):
        return ",".join(_text(each) for each in value)
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else str(value)
