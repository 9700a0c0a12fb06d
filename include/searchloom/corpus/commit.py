"""The end of an ingest run: everything that its batches found becomes one commit of the manifest, or nothing does."""

from __future__ import annotations

import logging
from collections import Counter
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from searchloom import schemas
from searchloom.cloud import lease
from searchloom.cloud.oss import Oss
from searchloom.corpus import manifest as manifests
from searchloom.corpus import run_files
from searchloom.corpus.chunks import part_key
from searchloom.corpus.guard import check_deletes
from searchloom.corpus.manifest import ACTIVE, DELETED, QUARANTINED, Manifest
from searchloom.errors import Terminal

log = logging.getLogger(__name__)

_COUNTED = ("new", "changed", "unchanged", "removed", "quarantined", "chunks")


def commit(oss: Oss, *, plan: str) -> dict[str, Any]:
    """Commit what the batches of a plan found; returns corpus, partition, the commit's ``seq`` and counts of documents.

    ``seq`` is None where no document changed. Raises ``Terminal`` when a batch was not parsed, or when more documents
    would go than the settings allow; ``Transient`` when another run is committing.
    """
    head = run_files.read_plan(oss, plan)
    batches = range(head["batches"])
    done = [run_files.read_done(oss, plan, number) for number in batches]
    if None in done:
        raise Terminal(f"batch {done.index(None)} of the ingest plan {plan!r} was not parsed; clear its task")
    finished = [one for one in done if one is not None]
    rows = pa.concat_tables(
        [schemas.MANIFEST.empty_table(), *(run_files.read_rows(oss, plan, number) for number in batches)]
    )
    counts = {"unchanged": head["untouched"] + sum(one["counts"]["unchanged"] for one in finished)}
    if not len(rows) and not head["removed"]:
        return _finish(oss, head, rows, {**counts, "seq": None})
    parts = [key for one in finished for key in one["parts"]]
    with lease.hold(oss, manifests.lease_key(head["corpus"]), plan) as held:
        current = manifests.read(oss, head["corpus"])
        earlier = _earlier(oss, head, current)
        if earlier is not None:
            log.info("this plan was committed before, as commit %s", earlier["seq"])
            return _finish(oss, head, rows, earlier)
        rows = _resolved(rows, head, current)
        if not len(rows):
            return _finish(oss, head, rows, {**counts, "seq": None})
        result = {**_counts(rows, current, head["seq"]), **counts}
        check_deletes(head["corpus"], result.pop("lost"), len(current.active()), head["guard"])
        seq = current.seq + 1
        moved = _restamped(oss, head, parts, seq, held) if seq != head["seq"] + 1 else parts
        touched = pc.equal(rows["seq"], head["seq"] + 1)
        rows = _with_seq(rows, touched, seq)
        result["seq"] = seq if pc.any(touched).as_py() else None
        record = {"run_id": head["run_id"], "partition": head["partition"], "parts": moved, "result": result}
        manifests.append(oss, head["corpus"], current, rows, run_tag=head["tag"], record=record, lease=held)
    if moved is not parts:
        oss.delete_many(parts)
    return _finish(oss, head, rows, result)


def _earlier(oss: Oss, head: dict[str, Any], current: Manifest) -> dict[str, Any] | None:
    """Return the result of this plan's own commit, if it happened and the answer was lost."""
    for seq, name in current.commits.items():
        if seq > head["seq"] and name == head["tag"]:
            found: dict[str, Any] = manifests.commit_record(oss, head["corpus"], seq, name)["result"]
            return found
    return None


def _resolved(rows: pa.Table, head: dict[str, Any], current: Manifest) -> pa.Table:
    """Add the tombstones of files that are gone; leave out what another run has changed since the plan was made.

    What is left out heals in the next run: its listing differs from the manifest then.
    """
    known = current.known()
    gone = pc.is_in(known["key"], value_set=pa.array(head["removed"], pa.string()))
    tombstones = known.filter(pc.and_(gone, pc.less_equal(known["seq"], head["seq"])))
    count = len(tombstones)
    changes = {
        "state": DELETED, "reason": "", "seq": head["seq"] + 1, "chunk_count": 0, "partition": head["partition"]
    }  # fmt: skip
    for name, value in changes.items():
        field = schemas.MANIFEST.field(name)
        tombstones = tombstones.set_column(
            schemas.MANIFEST.get_field_index(name), field, pa.array([value] * count, field.type)
        )
    rows = pa.concat_tables([rows, tombstones])
    if current.seq == head["seq"]:
        return rows
    newer = current.table.filter(pc.greater(current.table["seq"], head["seq"]))
    if not len(newer):
        return rows
    log.info("%d documents were changed by another run meanwhile; theirs stay", len(newer))
    return rows.filter(pc.invert(pc.is_in(rows["doc_id"], value_set=newer["doc_id"].combine_chunks())))


def _counts(rows: pa.Table, current: Manifest, planned: int) -> dict[str, int]:
    """Count documents by what becomes of them; ``lost``: those that could be found and no longer can."""
    before = set(current.active()["doc_id"].to_pylist())
    touched = rows.filter(pc.greater(rows["seq"], planned)).select(["doc_id", "state", "chunk_count"])
    counts = Counter(dict.fromkeys(("new", "changed", "removed", "quarantined", "chunks", "lost"), 0))
    for document, state, chunks in zip(*(touched[name].to_pylist() for name in touched.column_names), strict=True):
        active = document in before
        counts["lost"] += active and state != ACTIVE
        if state == ACTIVE:
            counts["changed" if active else "new"] += 1
            counts["chunks"] += chunks
        elif state == QUARANTINED:
            counts["quarantined"] += 1
        else:
            counts["removed"] += active
    return dict(counts)


def _with_seq(table: pa.Table, where: Any, seq: int) -> pa.Table:
    column = pc.if_else(where, pa.scalar(seq, pa.int64()), table["seq"])
    return table.set_column(table.schema.get_field_index("seq"), table.schema.field("seq"), column)


def _restamped(oss: Oss, head: dict[str, Any], parts: list[str], seq: int, held: lease.Lease) -> list[str]:
    """Write the run's chunk files again with the number that the commit really gets: others committed first."""
    log.info("other runs committed meanwhile: %d chunk files become those of commit %d", len(parts), seq)
    moved = []
    for number, key in enumerate(parts):
        table = schemas.read_table(oss, key, schemas.CHUNKS)
        name = f"{head['tag']}-moved-{number:05d}"
        moved.append(part_key(head["corpus"], head["partition"], seq=seq, name=name))
        schemas.write_table(oss, moved[-1], _with_seq(table, pa.scalar(value=True), seq), schemas.CHUNKS)
        held.check()
    return moved


def _finish(oss: Oss, head: dict[str, Any], rows: pa.Table, result: dict[str, Any]) -> dict[str, Any]:
    """Write the run's report and say what happened."""
    counts = {name: result.get(name, 0) for name in _COUNTED}
    quarantined = rows.filter(pc.equal(rows["state"], QUARANTINED)).select(["key", "source_id", "reason"])
    answer = {"corpus": head["corpus"], "partition": head["partition"], "seq": result["seq"], **counts}
    key = run_files.report_key(head["corpus"], head["run_id"])
    report = {**answer, "run_id": head["run_id"], "files": head["files"], "quarantine": quarantined.to_pylist()}
    oss.put_json(key, report)
    log.info(
        "corpus %r: %s; %s; report: %s",
        head["corpus"],
        f"commit {result['seq']}" if result["seq"] else "no document changed",
        ", ".join(f"{count} {name}" for name, count in counts.items()),
        key,
    )
    return {**answer, "report": key}
