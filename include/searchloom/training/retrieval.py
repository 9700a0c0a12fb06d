"""What the search of today finds for many queries: BM25 from an engine, nearest neighbours from the vectors in OSS."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import stamina
from numpy.typing import NDArray

from searchloom.cloud.oss import Oss
from searchloom.embedding import store
from searchloom.embedding.card import ModelCard
from searchloom.embedding.shards import Encodes
from searchloom.engines import reading
from searchloom.engines.interface import Access, Hit, Searcher
from searchloom.errors import Transient
from searchloom.settings import EngineName, Settings
from searchloom.training.passages import Passages

log = logging.getLogger(__name__)

Vectors = NDArray[np.float32]
Asked = tuple[str, str]
"""A query and the tenant whose documents are searched."""

_AT_A_TIME = 6
_TIMEOUT_S = 20.0
_BLOCK = 32_000_000  # scores in memory at a time: 128 MB


@dataclass(frozen=True)
class Candidates:
    """What the search of today finds for the queries that were asked, as places of passages, best first."""

    vectors: Vectors  # [passages, dims]; zeros: no vector yet
    row: Mapping[str, int]  # query -> row of the next two
    queries: Vectors  # [queries, dims]
    neighbours: NDArray[np.int64]  # [queries, depth]
    lexical: Mapping[Asked, list[int]]

    def query(self, query: str) -> Vectors:
        """Return the vector of a query."""
        vector: Vectors = self.queries[self.row[query]]
        return vector

    def nearest(self, query: str) -> NDArray[np.int64]:
        """Return what the model finds."""
        places: NDArray[np.int64] = self.neighbours[self.row[query]]
        return places

    def bm25(self, asked: Asked) -> list[int]:
        """Return what BM25 finds; nothing where no engine was asked."""
        return self.lexical.get(asked, [])


def search(
    oss: Oss,
    passages: Passages,
    asked: Iterable[Asked],
    *,
    corpus: str,
    settings: Settings,
    model: ModelCard,
    encoder: Encodes,
    index: tuple[EngineName, str] | None,
    depth: int,
) -> Candidates:
    """Search for every query by BM25 (``index``; None: not) and by the model, ``depth`` passages each."""
    distinct = list(dict.fromkeys(asked))
    lexical: dict[Asked, list[int]] = {}
    if index is not None:
        log.info("asking %s for the best of %d queries", index[0], len(distinct))
        lexical = bm25(settings, *index, distinct, passages, size=depth)
    known = vectors(oss, corpus, model.version, model.dims, passages)
    texts = list(dict.fromkeys(query for query, _ in distinct))
    log.info("comparing %d queries with %d passages", len(texts), len(known))
    queries = encoder.encode(texts) if texts else np.empty((0, model.dims), np.float32)
    neighbours = nearest(queries, known, size=depth)
    return Candidates(known, {text: row for row, text in enumerate(texts)}, queries, neighbours, lexical)


def bm25(
    settings: Settings, engine: EngineName, index: str, asked: Sequence[Asked], passages: Passages, *, size: int
) -> dict[Asked, list[int]]:
    """Return the places of the ``size`` best passages for each query, best first; every group of the tenant counts."""
    found = asyncio.run(_search(reading.searcher(settings, engine), index, asked, passages.groups, size))
    return {
        ask: [place for hit in hits if (place := passages.place_of(hit)) is not None]
        for ask, hits in zip(asked, found, strict=True)
    }


def vectors(oss: Oss, corpus: str, version: str, dims: int, passages: Passages) -> Vectors:
    """Return ``[passages, dims]`` of the passages' vectors; a row of zeros where there is none yet."""
    hashes = [passage.content_sha256 for passage in passages.all]
    table = store.lookup(oss, corpus, version, dims, dict.fromkeys(hashes))
    rows = {one: row for row, one in enumerate(table["content_sha256"].to_pylist())}
    known = np.zeros((len(rows) + 1, dims), np.float32)  # the last row stands for what is missing
    known[:-1] = table["embedding"].combine_chunks().flatten().to_numpy().reshape(-1, dims)
    missing = sum(one not in rows for one in hashes)
    if missing:
        log.warning("%d of %d passages have no vector of %s yet; none of them is mined", missing, len(hashes), version)
    return known[[rows.get(one, len(rows)) for one in hashes]]


def nearest(queries: Vectors, passages: Vectors, *, size: int) -> NDArray[np.int64]:
    """Return ``[queries, min(size, passages)]`` places of the nearest passages, best first; exact, block by block."""
    size = min(size, len(passages))
    block = max(1, _BLOCK // max(1, len(passages)))
    found = np.empty((len(queries), size), np.int64)
    edges = [*range(0, len(queries), block), len(queries)]
    for start, end in pairwise(edges):
        scores = queries[start:end] @ passages.T
        top = np.argpartition(-scores, size - 1, axis=1)[:, :size] if size else found[start:end]
        order = np.argsort(-np.take_along_axis(scores, top, axis=1), axis=1, kind="stable")
        found[start:end] = np.take_along_axis(top, order, axis=1)
    return found


async def _search(
    searcher: Searcher,
    index: str,
    asked: Sequence[Asked],
    groups: Mapping[str, tuple[str, ...]],
    size: int,
) -> list[list[Hit]]:
    gate = asyncio.Semaphore(_AT_A_TIME)

    async def one(ask: Asked) -> list[Hit]:
        async with gate:
            return await _ask(searcher, index, ask, groups.get(ask[1], ()), size)

    try:
        return list(await asyncio.gather(*(one(ask) for ask in asked)))
    finally:
        await searcher.close()


@stamina.retry(on=Transient, attempts=5, timeout=120)
async def _ask(searcher: Searcher, index: str, ask: Asked, groups: tuple[str, ...], size: int) -> list[Hit]:
    query, tenant = ask
    access = Access(tenant, groups)
    return await searcher.bm25(index, query, access, size=size, timeout_s=_TIMEOUT_S, highlight=False)
