"""Files of events (JSON lines or parquet) into the event log in OSS: checked, sorted into days, and safe to repeat.

The name of an object is made of what it holds, so that a file that is imported twice is in the log once.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from searchloom.errors import UsageError
from searchloom.query.events.schema import Record, log_key

log = logging.getLogger(__name__)

MAX_OBJECT_BYTES = 16 * 1024 * 1024
_ROWS = 10_000  # of a parquet file, read at a time
_SHOWN = 5  # refused rows that are told of
_MILLISECONDS_FROM = 1e11

Put = Callable[[str, bytes], object]


@dataclass(slots=True)
class Imported:
    """What became of the rows of the files."""

    accepted: int = 0
    refused: int = 0
    objects: int = 0
    reasons: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Day:
    lines: list[bytes] = field(default_factory=list)
    size: int = 0


def import_files(paths: list[Path], put: Put, *, corpus: str, tenant: str) -> Imported:
    """Write the events of all files into the log.

    ``corpus`` and ``tenant`` are those of rows that name none. A row that is no event is counted and left out. Raises
    ``UsageError`` for a file that is neither JSON lines nor parquet, and what ``put`` raises.
    """
    report = Imported()
    days: dict[str, _Day] = {}
    for path in paths:
        for place, row in enumerate(_rows(path), start=1):
            made = _record(row, corpus=corpus, tenant=tenant)
            if isinstance(made, str):
                report.refused += 1
                if len(report.reasons) < _SHOWN:
                    report.reasons.append(f"{path.name}, row {place}: {made}")
                continue
            day = days.setdefault(made.day, _Day())
            day.lines.append(made.line())
            day.size += len(day.lines[-1])
            report.accepted += 1
            if day.size >= MAX_OBJECT_BYTES:
                report.objects += _write(made.day, days.pop(made.day), put)
    for name, day in days.items():
        report.objects += _write(name, day, put)
    return report


def _write(name: str, day: _Day, put: Put) -> int:
    data = b"".join(day.lines)
    put(log_key(name, f"import-{hashlib.sha256(data).hexdigest()[:32]}"), data)
    return 1


def _record(row: Mapping[str, Any] | str, *, corpus: str, tenant: str) -> Record | str:
    if isinstance(row, str):
        return row
    given = {"corpus": corpus, "tenant": tenant} | {name: value for name, value in row.items() if value is not None}
    try:
        given["time"] = _time(given.get("time"))
        given["type"] = str(given.get("type", "click")).lower()
        for name in ("user_id", "item_id"):
            given[name] = str(given.get(name, ""))
        given.setdefault("event_id", _identity(given))
        given["event_id"] = str(given["event_id"])
        return Record.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        return f"{'.'.join(map(str, first['loc'])) or 'the row'}: {first['msg']}"
    except (TypeError, ValueError, OverflowError) as error:
        return str(error)


def _identity(row: Mapping[str, Any]) -> str:
    """An id for an event that came without one: made of what it says, so that it is the same the next time."""
    said = json.dumps({name: str(value) for name, value in row.items()}, sort_keys=True)
    return hashlib.sha256(said.encode()).hexdigest()[:32]


def _time(value: Any) -> datetime:
    if value in {None, ""}:
        raise ValueError("time: there is none; give an ISO 8601 time, or seconds since 1970")
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    if isinstance(value, str) and not value.replace(".", "", 1).isdecimal():
        moment = datetime.fromisoformat(value)
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    seconds = float(value)
    return datetime.fromtimestamp(seconds / 1000 if seconds > _MILLISECONDS_FROM else seconds, UTC)


def _rows(path: Path) -> Iterator[Mapping[str, Any] | str]:
    """The rows of a file; a line that is no JSON object is a sentence instead."""
    if path.name.endswith(".parquet"):
        yield from _parquet(path)
    elif path.name.endswith((".jsonl", ".jsonl.gz", ".ndjson", ".ndjson.gz")):
        yield from _json_lines(path)
    else:
        raise UsageError(f"{path} is no file of events; give .jsonl, .jsonl.gz or .parquet files")


def _json_lines(path: Path) -> Iterator[Mapping[str, Any] | str]:
    try:
        with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
            for line in file:
                if line.strip():
                    yield _object(line)
    except (OSError, EOFError) as error:
        raise UsageError(f"{path} cannot be read: {error}") from error


def _object(line: bytes) -> Mapping[str, Any] | str:
    try:
        row = json.loads(line)
    except ValueError as error:
        return f"no JSON: {error}"
    return row if isinstance(row, dict) else "no JSON object"


def _parquet(path: Path) -> Iterator[Mapping[str, Any]]:
    import pyarrow as pa  # noqa: PLC0415  half a second, and only for parquet
    import pyarrow.parquet as pq  # noqa: PLC0415

    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(_ROWS):
                yield from batch.to_pylist()
    except (OSError, pa.ArrowException) as error:
        raise UsageError(f"{path} cannot be read as parquet: {error}") from error
