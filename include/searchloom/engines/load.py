"""What the manifest stands for goes into an index: upserts, deletes, dead letters, and the proof that it is all there.

A load takes the commits after the index's watermark (``GenerationMeta.loaded_seq``). It may be repeated at any moment:
every write carries the document's ``seq`` as its version, so what is there already stays as it is.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from searchloom import schemas
from searchloom.cloud.oss import Oss
from searchloom.corpus import chunks, manifest
from searchloom.embedding import store
from searchloom.engines import dead_letters
from searchloom.engines.interface import GenerationMeta, Loader, Outcome, Write
from searchloom.engines.verify import gone, verify
from searchloom.errors import Terminal

__all__ = ["load", "verify"]

log = logging.getLogger(__name__)

_LOOKUP_ROWS = 16_384  # chunks in memory at a time, with their vectors: some 100 MB
_PLAIN = [name for name in schemas.CHUNKS.names if name not in {"chunk_id", "last_modified"}]


@dataclass(slots=True)
class _Load:
    """One load under way."""

    oss: Oss
    corpus: str
    meta: GenerationMeta
    manifest: manifest.Manifest
    counts: Counter[str] = field(default_factory=Counter)
    in_flight: dict[str, Write] = field(default_factory=dict)
    left_out: dict[str, int] = field(default_factory=dict)  # doc_id -> seq of documents whose vectors are missing
    refused: list[dict[str, Any]] = field(default_factory=list)

    def upserts(self) -> Iterator[Write]:
        """Every chunk in force that the index lacks; documents without all of their vectors are left for later."""
        tables = chunks.in_force(self.oss, self.corpus, self.manifest, since_seq=self.meta.loaded_seq)
        for table in _batches(tables):
            vectors = self._vectors(table)
            rows = table.to_pylist()
            self.left_out |= {row["doc_id"]: row["seq"] for row in rows if row["content_sha256"] not in vectors}
            for row in rows:
                if row["doc_id"] not in self.left_out:
                    source = {name: row[name] for name in _PLAIN}
                    source["last_modified"] = int(row["last_modified"].timestamp() * 1000)
                    source["embedding"] = vectors[row["content_sha256"]].as_py()
                    yield self._sent(Write("index", row["chunk_id"], row["seq"], source))

    def deletes(self) -> Iterator[Write]:
        """Every chunk that a changed, deleted or unreadable document may have left behind."""
        table = self.manifest.table
        for row in table.filter(pc.greater(table["seq"], self.meta.loaded_seq)).to_pylist():
            if row["doc_id"] not in self.left_out:
                for ordinal in gone(row):
                    yield self._sent(Write("delete", schemas.chunk_id(row["doc_id"], ordinal), row["seq"]))

    def note(self, outcomes: Iterable[Outcome]) -> None:
        """Count the outcomes and keep the refused writes."""
        for outcome in outcomes:
            write = self.in_flight.pop(outcome.chunk_id)
            self.counts[outcome.status] += 1
            if outcome.status == "refused":
                self.refused.append(dead_letters.record(write, outcome.reason))

    @property
    def loaded_seq(self) -> int:
        """Every commit up to this number is in the index now."""
        return min(self.left_out.values()) - 1 if self.left_out else self.manifest.seq

    def _sent(self, write: Write) -> Write:
        self.in_flight[write.chunk_id] = write
        return write

    def _vectors(self, table: pa.Table) -> dict[str, pa.FixedSizeListScalar]:
        hashes = pc.unique(table["content_sha256"])
        found = store.lookup(self.oss, self.corpus, self.meta.embedding_version, self.meta.dims, hashes)
        width = found.schema.field("embedding").type.list_size
        if width != self.meta.dims:
            raise Terminal(f"vectors of {self.meta.embedding_version!r} have {width} dims, the index {self.meta.dims}")
        return dict(zip(found["content_sha256"].to_pylist(), found["embedding"], strict=True))


def load(oss: Oss, loader: Loader, *, corpus: str, index: str, embedding_version: str) -> dict[str, Any]:
    """Bring an index up to the manifest.

    Returns counts: ``written``, ``deleted``, ``current`` (already there, or already gone), ``refused`` (with
    ``dead_letters``, the key of the file that says why), ``waiting`` (documents whose vectors are still missing) and
    ``loaded_seq``. Raises ``Terminal`` when the index is of another corpus or model, and ``Transient`` when the
    engine stays busy or away: run it again, it goes on where it stopped.
    """
    meta = _meta_for(loader, index, corpus=corpus, embedding_version=embedding_version)
    work = _Load(oss, corpus, meta, manifest.read(oss, corpus))
    if work.manifest.seq <= meta.loaded_seq:
        log.info("%s: index %s holds every commit up to %d already", loader.name, index, meta.loaded_seq)
        return _report(work, buried="")
    if meta.loaded_seq == 0:
        dead_letters.clear(oss, corpus=corpus, loader=loader, index=index)  # of an older index of this name
    try:
        work.note(loader.write(index, work.upserts()))
        work.note(loader.write(index, work.deletes()))
    finally:
        log.info("%s: index %s: %s", loader.name, index, _words(work.counts))
    buried = _bury(loader, index, work)
    loader.refresh(index)
    if work.loaded_seq > meta.loaded_seq:
        loader.set_loaded(index, work.loaded_seq)
    if work.left_out:
        log.warning("%d documents wait for their vectors; the next load takes them", len(work.left_out))
    return _report(work, buried)


def _batches(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """Put small files together: every look-up of vectors reads all shards that the texts at hand fall into."""
    waiting: list[pa.Table] = []
    for table in tables:
        waiting.append(table)
        if sum(map(len, waiting)) >= _LOOKUP_ROWS:
            yield pa.concat_tables(waiting)
            waiting = []
    if waiting:
        yield pa.concat_tables(waiting)


def _meta_for(loader: Loader, index: str, *, corpus: str, embedding_version: str) -> GenerationMeta:
    meta = loader.meta(index)
    if meta is None:
        raise Terminal(f"there is no index {index!r} in {loader.name}; create the generation first")
    if (meta.corpus, meta.embedding_version) != (corpus, embedding_version):
        raise Terminal(
            f"index {index!r} in {loader.name} holds corpus {meta.corpus!r} with vectors of "
            f"{meta.embedding_version!r}, not {corpus!r} with {embedding_version!r}; nothing was written: load a "
            "generation of that model"
        )
    return meta


def _bury(loader: Loader, index: str, work: _Load) -> str:
    """Write down what was refused, and why; take away what an older commit left under the same ids."""
    if not work.refused:
        return ""
    key = dead_letters.write(
        work.oss, work.refused, corpus=work.corpus, loader=loader, index=index, seq=work.loaded_seq
    )
    stale = (Write("delete", record["chunk_id"], record["seq"]) for record in work.refused)
    removed = sum(outcome.status == "deleted" for outcome in loader.write(index, stale))
    log.warning("%d chunks are left out (older versions deleted: %d); %s says why", len(work.refused), removed, key)
    return key


def _report(work: _Load, buried: str) -> dict[str, Any]:
    names = ("written", "deleted", "current", "refused")
    counts = {name: work.counts[name] for name in names}
    loaded_seq = max(work.loaded_seq, work.meta.loaded_seq)
    return {**counts, "waiting": len(work.left_out), "loaded_seq": loaded_seq, "dead_letters": buried}


def _words(counts: Counter[str]) -> str:
    return ", ".join(f"{number} {what}" for what, number in sorted(counts.items())) or "nothing to write"
