"""What the tasks of one ingest run tell each other, as files in OSS below ``runs/ingest/{corpus}/{run_id}/{attempt}/``.

``plan.json`` says what is to be done, ``batch-{i}.json`` (and ``batch-{i}.prior.parquet``: the manifest's rows of its
files) what one task does, ``batch-{i}.rows.parquet`` and ``batch-{i}.done.json`` what came of it. The last of them is
written last: what it stands for is complete.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa

from searchloom import schemas
from searchloom.cloud.oss import ObjectInfo, Oss
from searchloom.errors import ServiceNotFound, Terminal

_KEEP = timedelta(days=14)


@dataclass(frozen=True, slots=True)
class Batch:
    """Files that one task works on, and what the manifest knew of them."""

    files: Sequence[ObjectInfo]
    prior: pa.Table


def prefix(corpus: str, run_id: str, attempt: str) -> str:
    """Where the files of one attempt of a run lie; this is what the tasks pass on as ``plan``."""
    return f"runs/ingest/{corpus}/{run_id}/{attempt}/"


def report_key(corpus: str, run_id: str) -> str:
    """Key of a run's report: its counts, and every file or record that it quarantined, with the reason."""
    return f"reports/{corpus}/ingest/{run_id}.json"


def write_plan(oss: Oss, plan: str, head: Mapping[str, Any], batches: Iterable[Batch]) -> None:
    """Write the batches, then the plan that counts them."""
    for number, batch in enumerate(batches):
        if len(batch.prior):
            schemas.write_table(oss, f"{plan}batch-{number}.prior.parquet", batch.prior, schemas.MANIFEST)
        files = [
            {"key": file.key, "etag": file.etag, "size": file.size, "last_modified": file.last_modified.isoformat()}
            for file in batch.files
        ]
        oss.put_json(f"{plan}batch-{number}.json", {"files": files, "prior": len(batch.prior)})
    oss.put_json(f"{plan}plan.json", dict(head))


def read_plan(oss: Oss, plan: str) -> dict[str, Any]:
    """Read ``plan.json``; ``Terminal`` where there is none (any more)."""
    try:
        head: dict[str, Any] = oss.get_json(f"{plan}plan.json")
    except ServiceNotFound as error:
        raise Terminal(f"there is no ingest plan {plan!r} (kept {_KEEP.days} days); start a new run") from error
    return head


def read_batch(oss: Oss, plan: str, number: int) -> tuple[list[ObjectInfo], pa.Table]:
    """Read the files of one batch, and the manifest's rows of them."""
    batch = oss.get_json(f"{plan}batch-{number}.json")
    files = [
        ObjectInfo(file["key"], file["etag"], file["size"], datetime.fromisoformat(file["last_modified"]))
        for file in batch["files"]
    ]
    if not batch["prior"]:
        return files, schemas.MANIFEST.empty_table()
    return files, schemas.read_table(oss, f"{plan}batch-{number}.prior.parquet", schemas.MANIFEST)


def write_done(
    oss: Oss, plan: str, number: int, *, rows: list[dict[str, Any]], parts: Sequence[str], counts: Mapping[str, int]
) -> None:
    """Write what came of a batch: rows of the manifest, keys of chunk files, counts."""
    table = pa.Table.from_pylist(rows, schema=schemas.MANIFEST)
    schemas.write_table(oss, f"{plan}batch-{number}.rows.parquet", table, schemas.MANIFEST)
    oss.put_json(f"{plan}batch-{number}.done.json", {"parts": list(parts), "counts": dict(counts)})


def read_done(oss: Oss, plan: str, number: int) -> dict[str, Any] | None:
    """Read ``{"parts", "counts"}`` of a batch; None where it was not finished."""
    try:
        done: dict[str, Any] = oss.get_json(f"{plan}batch-{number}.done.json")
    except ServiceNotFound:
        return None
    return done


def read_rows(oss: Oss, plan: str, number: int) -> pa.Table:
    """Read the manifest rows of a finished batch."""
    return schemas.read_table(oss, f"{plan}batch-{number}.rows.parquet", schemas.MANIFEST)


def sweep(oss: Oss, corpus: str) -> None:
    """Delete the files of runs that ended long ago."""
    before = datetime.now(UTC) - _KEEP
    old = [info.key for info in oss.list(f"runs/ingest/{corpus}/") if info.last_modified < before]
    if old:
        oss.delete_many(old)
