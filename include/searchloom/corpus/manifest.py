"""What is known of each document: a base and small deltas in parquet, and one pointer that says which of them count.

``manifest/{corpus}/CURRENT`` is ``{"seq", "files", "commits"}``: the number of the last commit, the files in force in
the order in which they apply (a later row of a document replaces an earlier one), and for each commit that documents
still come from the tag of the run that made it. A file that ``CURRENT`` does not list never counts, so a crash at any
moment leaves the corpus as it was.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from searchloom import schemas
from searchloom.cloud.lease import Lease, LeaseLost
from searchloom.cloud.oss import Oss
from searchloom.errors import ServiceNotFound, Transient

log = logging.getLogger(__name__)

ACTIVE, DELETED, QUARANTINED = "active", "deleted", "quarantined"
FOLD_AFTER = 16  # deltas; then they become part of a new base
_READ_ATTEMPTS = 5  # files may be folded away between reading the pointer and reading them


@dataclass(frozen=True, slots=True)
class Manifest:
    """The manifest after commit ``seq`` (0: nothing committed yet); ``table`` has one row a document (``MANIFEST``)."""

    table: pa.Table
    seq: int
    files: tuple[str, ...] = ()
    commits: Mapping[int, str] = field(default_factory=dict)

    def active(self) -> pa.Table:
        """Rows of the documents that can be found."""
        return self.table.filter(pc.equal(self.table["state"], ACTIVE))

    def known(self) -> pa.Table:
        """Rows of everything that is not deleted."""
        return self.table.filter(pc.not_equal(self.table["state"], DELETED))


def read(oss: Oss, corpus: str) -> Manifest:
    """Read the manifest in force; an empty one where nothing was ever committed."""
    for _ in range(_READ_ATTEMPTS):
        pointer = _pointer(oss, corpus)
        if pointer is None:
            return Manifest(schemas.MANIFEST.empty_table(), 0)
        try:
            tables = [schemas.read_table(oss, key, schemas.MANIFEST) for key in pointer["files"]]
        except ServiceNotFound:
            if _pointer(oss, corpus) == pointer:
                raise
            continue
        commits = {int(seq): tag for seq, tag in pointer["commits"].items()}
        return Manifest(latest(tables), pointer["seq"], tuple(pointer["files"]), commits)
    raise Transient(f"the manifest of corpus {corpus!r} changed {_READ_ATTEMPTS} times while it was read; retry")


def latest(tables: Sequence[pa.Table]) -> pa.Table:
    """Return the last row of each document, in the order in which the documents first came."""
    table = pa.concat_tables([schemas.MANIFEST.empty_table(), *tables]).combine_chunks()
    if len(tables) < 2:
        return table
    numbered = pa.table({"doc_id": table["doc_id"], "row": pa.array(range(len(table)), pa.int64())})
    last = numbered.group_by("doc_id", use_threads=False).aggregate([("row", "max")])
    return table.take(last["row_max"])


def quarantined(oss: Oss, corpus: str) -> list[dict[str, str]]:
    """What cannot be read at present: ``{"key", "source_id", "reason"}`` of each file or record, by key."""
    table = read(oss, corpus).table
    found = table.filter(pc.equal(table["state"], QUARANTINED)).select(["key", "source_id", "reason"])
    rows: list[dict[str, str]] = found.sort_by([("key", "ascending"), ("source_id", "ascending")]).to_pylist()
    return rows


def lease_key(corpus: str) -> str:
    """Key of the object that keeps writers of one manifest apart."""
    return f"manifest/{corpus}/LEASE"


def tag(run_id: str) -> str:
    """Short name of a run in file names: two runs never write the same file."""
    return hashlib.sha256(run_id.encode()).hexdigest()[:10]


def commit_record(oss: Oss, corpus: str, seq: int, run_tag: str) -> dict[str, Any]:
    """What a commit noted down of itself: ``parts`` (keys of its chunk files), ``result``, and more."""
    record: dict[str, Any] = oss.get_json(_record_key(corpus, seq, run_tag))
    return record


def append(
    oss: Oss, corpus: str, current: Manifest, rows: pa.Table, *, run_tag: str, record: dict[str, Any], lease: Lease
) -> int:
    """Commit rows (``MANIFEST``) on top of ``current``, under the lease; returns the commit's number.

    ``record`` is kept with the commit. Raises ``LeaseLost`` when another commit came in between: nothing has happened.
    """
    seq = current.seq + 1
    delta = f"manifest/{corpus}/delta-{seq}-{run_tag}.parquet"
    schemas.write_table(oss, delta, rows, schemas.MANIFEST)
    oss.put_json(_record_key(corpus, seq, run_tag), {**record, "seq": seq})
    files, commits = [*current.files, delta], {**current.commits, seq: run_tag}
    fold = len(files) > FOLD_AFTER
    if fold:
        whole = latest([current.table, rows])
        files = [f"manifest/{corpus}/base-{seq}-{run_tag}.parquet"]
        schemas.write_table(oss, files[0], whole, schemas.MANIFEST)
        used = set(pc.unique(whole.filter(pc.equal(whole["state"], ACTIVE))["seq"]).to_pylist())
        commits = {number: name for number, name in commits.items() if number in used or number == seq}
    lease.check()
    pointer = _pointer(oss, corpus)
    if (pointer["seq"] if pointer else 0) != current.seq:
        raise LeaseLost(f"corpus {corpus!r} was committed to by another run; retry the commit")
    oss.put_json(_pointer_key(corpus), {"seq": seq, "files": files, "commits": commits})
    if fold:
        _sweep(oss, corpus, keep={*files, *current.files, delta})
    return seq


def _sweep(oss: Oss, corpus: str, keep: set[str]) -> None:
    """Delete what the fold before this one replaced; who still reads the last state keeps its files."""
    old = [
        info.key
        for kind in ("base", "delta")
        for info in oss.list(f"manifest/{corpus}/{kind}-")
        if info.key not in keep
    ]
    if old:
        oss.delete_many(old)
        log.info("corpus %r: folded the manifest and deleted %d old files of it", corpus, len(old))


def _pointer(oss: Oss, corpus: str) -> dict[str, Any] | None:
    try:
        pointer: dict[str, Any] = oss.get_json(_pointer_key(corpus))
    except ServiceNotFound:
        return None
    return pointer


def _pointer_key(corpus: str) -> str:
    return f"manifest/{corpus}/CURRENT"


def _record_key(corpus: str, seq: int, run_tag: str) -> str:
    return f"manifest/{corpus}/commit-{seq}-{run_tag}.json"
