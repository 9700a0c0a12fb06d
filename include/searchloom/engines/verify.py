"""Whether an index holds what the manifest stands for: the number of chunks, a sample of ids and their versions."""

from __future__ import annotations

import logging
import random
from dataclasses import dataclass
from typing import Any

from searchloom.cloud.oss import Oss
from searchloom.corpus import manifest
from searchloom.engines import dead_letters
from searchloom.engines.interface import Loader
from searchloom.errors import Terminal
from searchloom.schemas import chunk_id

log = logging.getLogger(__name__)

SAMPLE = 200


@dataclass(frozen=True, slots=True)
class _Expected:
    """``settled``: rows of the manifest up to the watermark; ``open``: later ones, old or new in the index."""

    settled: list[dict[str, Any]]
    open: list[dict[str, Any]]
    dead: set[str]  # ids of chunks in force that the engine refused

    def chunks(self) -> int:
        """Number of chunks of the settled documents that the index must hold."""
        counts = [int(row["chunk_count"]) for row in self.settled if row["state"] == manifest.ACTIVE]
        return sum(counts) - len(self.dead)


def verify(oss: Oss, loader: Loader, *, corpus: str, index: str, sample: int = SAMPLE, seed: int = 0) -> dict[str, Any]:
    """Compare a refreshed index with the manifest; return ``chunks``, ``sampled``, ``gone`` (ids checked).

    Raises ``Terminal`` with a sentence that names the first difference.
    """
    meta = loader.meta(index)
    if meta is None:
        raise Terminal(f"there is no index {index!r} in {loader.name}; load the corpus first")
    expected = _expected(oss, loader, corpus=corpus, index=index, loaded_seq=meta.loaded_seq)
    chunks = _verify_count(loader, index, expected)
    draw = random.Random(f"{index} {meta.loaded_seq} {seed}")  # noqa: S311  a repeatable sample, not a secret
    present = _verify_present(loader, index, expected, draw, sample)
    absent = _verify_absent(loader, index, expected, draw, sample)
    log.info(
        "%s: index %s holds %d chunks, as the manifest says; of the sampled ids %d are there, %d are gone",
        loader.name,
        index,
        chunks,
        present,
        absent,
    )
    return {"chunks": chunks, "sampled": present, "gone": absent}


def _expected(oss: Oss, loader: Loader, *, corpus: str, index: str, loaded_seq: int) -> _Expected:
    columns = ["doc_id", "seq", "state", "chunk_count", "chunk_high"]
    rows = manifest.read(oss, corpus).table.select(columns).to_pylist()
    settled = [row for row in rows if row["seq"] <= loaded_seq]
    in_force = {(row["doc_id"], row["seq"]): row["chunk_count"] for row in settled if row["state"] == manifest.ACTIVE}
    dead = {
        record["chunk_id"]
        for record in dead_letters.read(oss, corpus=corpus, loader=loader, index=index)
        if (record["doc_id"], record["seq"]) in in_force
    }
    return _Expected(settled, [row for row in rows if row["seq"] > loaded_seq], dead)


def gone(row: dict[str, Any]) -> range:
    """Ordinals that a document once had, or may have had, and has no more (``row``: of the manifest)."""
    return range(row["chunk_count"] if row["state"] == manifest.ACTIVE else 0, row["chunk_high"])


def _verify_count(loader: Loader, index: str, expected: _Expected) -> int:
    waiting = [chunk_id(row["doc_id"], n) for row in expected.open for n in range(row["chunk_high"])]
    wanted = expected.chunks() + len(loader.versions(index, waiting))
    there = loader.count(index)
    if there != wanted:
        raise Terminal(
            f"index {index!r} in {loader.name} holds {there} chunks where the manifest stands for {wanted}; "
            "load it again, or build a new generation"
        )
    return there


def _verify_present(loader: Loader, index: str, expected: _Expected, draw: random.Random, sample: int) -> int:
    rows = [row for row in expected.settled if row["state"] == manifest.ACTIVE and row["chunk_count"]]
    chosen = draw.sample(rows, min(sample, len(rows)))
    wanted = {chunk_id(row["doc_id"], draw.randrange(row["chunk_count"])): row["seq"] for row in chosen}
    wanted = {chunk: seq for chunk, seq in wanted.items() if chunk not in expected.dead}
    there = loader.versions(index, list(wanted))
    for chunk, seq in wanted.items():
        if there.get(chunk) != seq:
            found = f"of version {there[chunk]}" if chunk in there else "missing"
            raise Terminal(
                f"chunk {chunk} in index {index!r} of {loader.name} is {found}, not of version {seq}; load it again, "
                "or build a new generation"
            )
    return len(wanted)


def _verify_absent(loader: Loader, index: str, expected: _Expected, draw: random.Random, sample: int) -> int:
    rows = [row for row in expected.settled if gone(row)]
    chosen = draw.sample(rows, min(sample, len(rows)))
    unwanted = [chunk_id(row["doc_id"], draw.choice(gone(row))) for row in chosen]
    there = loader.versions(index, unwanted)
    if there:
        raise Terminal(
            f"chunk {next(iter(there))} is still in index {index!r} of {loader.name} though its document lost it; load "
            "it again, or build a new generation"
        )
    return len(unwanted)
