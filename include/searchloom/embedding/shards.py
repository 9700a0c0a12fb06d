"""The embedding run: which texts have no vector yet, in groups for mapped tasks, and one group's work.

Texts are ordered by their hash, so that what a task writes at a time falls into few shards. A group is written in
parts, each noted when its files are there: after a kill the group goes on with the first part that is not.
"""

from __future__ import annotations

import hashlib
import logging
import time
import uuid
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from searchloom import schemas
from searchloom.cloud.oss import Oss
from searchloom.corpus import chunks, manifest
from searchloom.embedding import store
from searchloom.embedding.card import ModelCard
from searchloom.errors import ServiceNotFound, Terminal, UsageError

log = logging.getLogger(__name__)

PART_TEXTS = 1024
_LOG_EVERY_S = 15.0
_TEXTS = pa.schema(
    [pa.field("content_sha256", pa.string(), nullable=False), pa.field("text", pa.string(), nullable=False)]
)


class Encodes(Protocol):
    """What makes the vectors: ``encoder.Encoder``, or whatever else keeps its promise."""

    dims: int

    def encode(self, texts: list[str], progress: Any = None) -> NDArray[np.float32]:
        """Return ``[len(texts), dims]`` vectors of unit length."""


def plan(
    oss: Oss, *, corpus: str, partition: str | None, run_id: str, model: ModelCard, group_size: int
) -> dict[str, Any]:
    """List the texts of the chunks in force (of one partition, or all) that have no vector of the model.

    Returns the key of the plan, the number of groups (of at most ``group_size`` texts), and how many distinct texts
    are missing and present.
    """
    if "/" in run_id or group_size < 1:
        raise UsageError(f"run id {run_id!r} must hold no slash, and a group at least one text (not {group_size})")
    present = store.Present(oss, corpus, model.version, model.dims)
    texts: dict[str, str] = {}
    seen: set[str] = set()
    columns = ("content_sha256", "title", "section", "text")
    for table in chunks.in_force(oss, corpus, manifest.read(oss, corpus), partition=partition):
        rows = list(zip(*(table[name].to_pylist() for name in columns), strict=True))
        missing = present.missing({row[0] for row in rows} - seen)
        seen.update(row[0] for row in rows)
        for digest, title, section, text in rows:
            if digest in missing:
                texts[digest] = schemas.embedding_text(title, section, text)
    name = f"runs/embed/{corpus}/{run_id}/{uuid.uuid4().hex[:8]}/"
    ordered = sorted(texts)
    groups = [ordered[start : start + group_size] for start in range(0, len(ordered), group_size)]
    for number, group in enumerate(groups):
        table = pa.table([pa.array(group), pa.array([texts[digest] for digest in group])], schema=_TEXTS)
        schemas.write_table(oss, _group_key(name, number), table, _TEXTS)
    head = {"corpus": corpus, "version": model.version, "dims": model.dims, "groups": len(groups)}
    oss.put_json(f"{name}plan.json", head)
    log.info(
        "corpus %r, %s: %d distinct texts, %d of them without a vector of %s: %d groups",
        corpus, partition or "all partitions", len(seen), len(texts), model.version, len(groups),
    )  # fmt: skip
    return {"plan": name, "groups": len(groups), "missing": len(texts), "present": len(seen) - len(texts)}


def embed_group(oss: Oss, *, plan: str, group: int, encoder: Encodes) -> dict[str, int]:
    """Embed one group of a plan; returns how many texts were embedded now and how many were there from before.

    Raises ``Terminal`` when the encoder's vectors are not of the length that the plan's model says.
    """
    head, texts = _read(oss, plan, group)
    if encoder.dims != head["dims"]:
        raise Terminal(
            f"the encoder makes vectors of {encoder.dims} numbers, model {head['version']!r} of {head['dims']}; "
            "load the model that the plan names"
        )
    noted = {info.key for info in oss.list(f"{plan}done/{group:05d}-")}
    progress = _Progress(group, len(texts))
    run = hashlib.sha256(plan.encode()).hexdigest()[:10]
    for part, start in enumerate(range(0, len(texts), PART_TEXTS)):
        note = f"{plan}done/{group:05d}-{part:04d}"
        rows = texts.slice(start, PART_TEXTS)
        if note in noted:
            progress.skip(len(rows))
            continue
        vectors = encoder.encode(rows["text"].to_pylist(), progress.part)
        store.write(
            oss, head["corpus"], head["version"], name=f"{run}-{group:05d}-{part:04d}",
            hashes=rows["content_sha256"].to_pylist(), vectors=vectors,
        )  # fmt: skip
        oss.put(note, b"")
        progress.done(len(rows))
    return progress.finish()


def _read(oss: Oss, plan: str, group: int) -> tuple[dict[str, Any], pa.Table]:
    try:
        return oss.get_json(f"{plan}plan.json"), schemas.read_table(oss, _group_key(plan, group), _TEXTS)
    except ServiceNotFound as error:
        raise Terminal(f"the embedding plan {plan!r} has no group {group}; start a new run") from error


def _group_key(plan: str, group: int) -> str:
    return f"{plan}group-{group:05d}.parquet"


class _Progress:
    """Says every now and then how far a group is."""

    def __init__(self, group: int, total: int) -> None:
        self._group = group
        self._total = total
        self._embedded = 0
        self._skipped = 0
        self._began = self._said = time.monotonic()

    def part(self, in_part: int) -> None:
        """Hear how many texts of the part under way are encoded."""
        if time.monotonic() - self._said >= _LOG_EVERY_S:
            self._say(self._embedded + in_part)

    def skip(self, count: int) -> None:
        """Note texts whose vectors an earlier attempt has written."""
        self._skipped += count

    def done(self, count: int) -> None:
        """Note texts whose vectors are written."""
        self._embedded += count

    def finish(self) -> dict[str, int]:
        """Say and return what was done."""
        self._say(self._embedded)
        return {"embedded": self._embedded, "present": self._skipped}

    def _say(self, embedded: int) -> None:
        self._said = time.monotonic()
        rate = embedded / max(self._said - self._began, 1e-9)
        log.info(
            "group %d: %d of %d texts have vectors, %.0f texts/s",
            self._group,
            self._skipped + embedded,
            self._total,
            rate,
        )
