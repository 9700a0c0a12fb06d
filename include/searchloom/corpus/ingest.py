"""The ingest run: plan what is outstanding, parse it batch by batch (``batch``), commit all of it at once.

Every call may be repeated at any moment, ``kill -9`` included. A plan belongs to one attempt: planning again makes a
new one, so that clearing a whole run starts it afresh; a commit that has happened is found again, not repeated.
"""

from __future__ import annotations

import heapq
import logging
import math
import re
import uuid
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from searchloom.cloud.oss import ObjectInfo, Oss
from searchloom.corpus import manifest as manifests
from searchloom.corpus import run_files
from searchloom.corpus.batch import parse_batch
from searchloom.corpus.commit import commit
from searchloom.corpus.guard import check_deletes
from searchloom.corpus.manifest import Manifest
from searchloom.errors import UsageError
from searchloom.settings import Settings

__all__ = ["commit", "parse_batch", "plan"]

log = logging.getLogger(__name__)

BATCH_BYTES = 64 * 1024 * 1024
BATCH_FILES = 1000
_FILE_COST = 4096  # bytes that a file weighs whatever its size: a request has its price
_DAY = timedelta(days=1)


def plan(
    oss: Oss,
    *,
    corpus: str,
    partition: str | None,
    run_id: str,
    modified_before: datetime | None,
    reprocess: bool,
    settings: Settings,
    allow_deletes: bool = False,
) -> dict[str, Any]:
    """List the corpus, compare it with the manifest and write down what is to be done, in batches of files.

    ``modified_before``: leave what was modified then or later to a later run (the end of the day of a keyed run).
    ``reprocess``: parse again what was modified on that day (without one: everything). Returns the key of the plan, the
    number of batches and counts of files. Raises ``Terminal`` when more documents would go than the settings allow.
    """
    if not re.fullmatch(r"[^/\\\s]+", run_id):
        raise UsageError(f"run id {run_id!r} cannot be part of a key; leave out slashes and spaces")
    partition = partition or datetime.now(UTC).date().isoformat()
    current = manifests.read(oss, corpus)
    prefix = f"raw/{corpus}/"
    listed = [file for file in oss.list(prefix) if not file.key.endswith("/")]
    diff = _Diff(listed, current, prefix, modified_before, reprocess=reprocess)
    documents = Counter(current.active()["key"].to_pylist())
    guard = {
        "max_delete_ratio": settings.ingest.max_delete_ratio,
        "min_deletes_guarded": settings.ingest.min_deletes_guarded,
        "allow_deletes": allow_deletes,
    }
    gone = sum(documents[key] for key in diff.removed)
    check_deletes(corpus, gone, documents.total(), guard, empty_listing=not listed)
    batches = _with_prior(_balanced(diff.outstanding), current.table, prefix)
    name = run_files.prefix(corpus, run_id, uuid.uuid4().hex[:8])
    counts = {"listed": len(listed), **diff.counts, "removed": len(diff.removed)}
    worked_on = {file.key.removeprefix(prefix) for file in diff.outstanding} | set(diff.removed)
    head = {
        "corpus": corpus, "partition": partition, "run_id": run_id, "tag": manifests.tag(name), "seq": current.seq,
        "batches": len(batches), "removed": diff.removed, "guard": guard, "files": counts,
        "untouched": sum(count for key, count in documents.items() if key not in worked_on),
    }  # fmt: skip
    run_files.sweep(oss, corpus)
    run_files.write_plan(oss, name, head, batches)
    log.info(
        "corpus %r, partition %s: %d files listed: %s; %d batches",
        corpus, partition, len(listed), ", ".join(f"{counts[what]} {what}" for what in counts if what != "listed"),
        len(batches),
    )  # fmt: skip
    return {"plan": name, "batches": len(batches), **counts}


class _Diff:
    """What a listing says against the manifest, file by file."""

    def __init__(
        self, listed: list[ObjectInfo], current: Manifest, prefix: str, before: datetime | None, *, reprocess: bool
    ) -> None:
        known = _known_files(current)
        names = {file.key.removeprefix(prefix) for file in listed}
        self.removed = sorted(known.keys() - names)
        self.outstanding: list[ObjectInfo] = []
        self.counts = {"new": 0, "changed": 0, "unchanged": 0, "again": 0, "later": 0}
        for file in listed:
            found = known.get(file.key.removeprefix(prefix))
            if before is not None and file.last_modified >= before:
                self.counts["later"] += 1
                continue
            same = found == (file.etag, file.last_modified)
            again = same and reprocess and (before is None or file.last_modified >= before - _DAY)
            if same and not again:
                self.counts["unchanged"] += 1
                continue
            self.counts["again" if again else "changed" if found else "new"] += 1
            self.outstanding.append(file)


def _known_files(current: Manifest) -> dict[str, tuple[str, datetime | None]]:
    """Return (etag, last_modified) of each file the manifest knows; no time where its documents disagree on it."""
    files = current.known().group_by("key").aggregate(
        [("etag", "min"), ("etag", "max"), ("last_modified", "min"), ("last_modified", "max")]
    )  # fmt: skip
    return {
        row["key"]: (
            row["etag_max"],
            row["last_modified_max"]
            if row["etag_min"] == row["etag_max"] and row["last_modified_min"] == row["last_modified_max"]
            else None,
        )
        for row in files.to_pylist()
    }


def _balanced(files: Sequence[ObjectInfo]) -> list[list[ObjectInfo]]:
    """Spread files over batches of about equal weight: the heaviest first, each to the lightest batch."""
    weights = {file.key: file.size + _FILE_COST for file in files}
    count = max(math.ceil(sum(weights.values()) / BATCH_BYTES), math.ceil(len(files) / BATCH_FILES))
    batches: list[list[ObjectInfo]] = [[] for _ in range(count)]
    lightest = [(0, number) for number in range(count)]
    for file in sorted(files, key=lambda file: (-file.size, file.key)):
        weight, number = heapq.heappop(lightest)
        batches[number].append(file)
        heapq.heappush(lightest, (weight + weights[file.key], number))
    return [sorted(batch, key=lambda file: file.key) for batch in batches]


def _with_prior(batches: list[list[ObjectInfo]], table: pa.Table, prefix: str) -> list[run_files.Batch]:
    return [
        run_files.Batch(
            files,
            table.filter(
                pc.is_in(table["key"], value_set=pa.array([one.key.removeprefix(prefix) for one in files], pa.string()))
            ),
        )
        for files in batches
    ]
