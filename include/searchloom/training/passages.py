"""The passages that a training set is made of: the chunks in force, or of a large corpus a sample of its documents."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from searchloom import schemas
from searchloom.cloud.oss import Oss
from searchloom.corpus import chunks
from searchloom.corpus.manifest import Manifest
from searchloom.engines.interface import Hit
from searchloom.training.splits import draw

log = logging.getLogger(__name__)

_COLUMNS = ("chunk_id", "doc_id", "ordinal", "title", "section", "text", "tenant", "content_sha256")


@dataclass(frozen=True, slots=True)
class Passage:
    """One chunk."""

    chunk_id: str
    doc_id: str
    ordinal: int
    title: str
    section: str
    text: str
    tenant: str
    content_sha256: str

    @property
    def embedded(self) -> str:
        """The text that its vector is made of."""
        return schemas.embedding_text(self.title, self.section, self.text)


class Passages:
    """Passages by place (0, 1, ...), and where those of a document are."""

    def __init__(self, found: Iterable[Passage], groups: Mapping[str, set[str]], *, sampled: bool = False) -> None:
        self.sampled = sampled
        self.all = sorted(found, key=lambda passage: (passage.doc_id, passage.ordinal))
        self.groups = {tenant: tuple(sorted(names)) for tenant, names in groups.items()}
        """Tenant -> every group that may read some document of it."""
        places: dict[str, list[int]] = defaultdict(list)
        for place, passage in enumerate(self.all):
            places[passage.doc_id].append(place)
        self.of_document: Mapping[str, list[int]] = dict(places)
        self._place = {passage.chunk_id: place for place, passage in enumerate(self.all)}

    def place_of(self, hit: Hit) -> int | None:
        """Return the place of what an engine found; a sample takes it in, as a passage that no pair is made of.

        None where the whole corpus was read and does not hold it: the index is behind or ahead.
        """
        if hit.chunk_id not in self._place and self.sampled:
            self._place[hit.chunk_id] = len(self.all)
            self.all.append(Passage(hit.chunk_id, hit.doc_id, *(hit.source[name] for name in _COLUMNS[2:])))
        return self._place.get(hit.chunk_id)


def read(oss: Oss, corpus: str, manifest: Manifest, *, judged: set[str], limit: int, seed: int) -> Passages:
    """Read the chunks in force; of more than ``limit`` those of the judged documents, then of others by lot."""
    rows = manifest.active().select(["doc_id", "chunk_count"])
    total = pc.sum(rows["chunk_count"]).as_py() or 0
    wanted = _sample(rows, judged, limit, seed) if total > limit else None
    if wanted is not None:
        log.info("corpus %r: %d chunks; a sample of %d documents is mined", corpus, total, len(wanted))
    found: list[Passage] = []
    groups: dict[str, set[str]] = defaultdict(set)
    for table in chunks.in_force(oss, corpus, manifest):
        kept = table if wanted is None else table.filter(pc.is_in(table["doc_id"], value_set=wanted))
        found.extend(Passage(*row) for row in zip(*(kept[name].to_pylist() for name in _COLUMNS), strict=True))
        for tenant, names in zip(kept["tenant"].to_pylist(), kept["groups"].to_pylist(), strict=True):
            groups[tenant].update(names)
    return Passages(found, groups, sampled=wanted is not None)


def _sample(rows: pa.Table, judged: set[str], limit: int, seed: int) -> pa.Array:
    sizes = dict(zip(rows["doc_id"].to_pylist(), rows["chunk_count"].to_pylist(), strict=True))
    chosen: list[str] = []
    for doc_id in sorted(sizes, key=lambda one: (one not in judged, draw(seed, "sample", one))):
        limit -= sizes[doc_id]
        if limit < 0:
            break
        chosen.append(doc_id)
    return pa.array(chosen, pa.string())
