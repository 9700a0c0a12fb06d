"""What a release would answer, found out without serving it: its own indexes, its own models, the query module's code.

A side is asked at the depth and in the way in which the query module asks the engines; fusing and blending are the
very functions that serve. So the figures of a side that is live are those that ``searchloom evaluate`` finds.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import stamina
from numpy.typing import NDArray

from searchloom.engines.fusion import Ranked, blend, fuse, passage
from searchloom.engines.interface import Access, Conditions, Hit, Searcher
from searchloom.engines.rank import best_chunks
from searchloom.engines.reading import searcher
from searchloom.errors import Transient
from searchloom.query import language
from searchloom.query.understanding import Understanding, understand
from searchloom.release.document import Fusion
from searchloom.settings import EngineName, Settings

Encode = Callable[[Sequence[str]], NDArray[np.float32]]
"""Texts -> ``[n, dims]`` of unit length."""

Score = Callable[[str, Sequence[str]], Sequence[float]]
"""query, passages -> the reranker's score of each, on any scale."""

DEPTH = 100
"""Documents that a ranking keeps: what Recall@100 needs."""

_AT_A_TIME = 4  # searches under way: the engines serve users meanwhile
_TIMEOUT_S = 30.0
_SHOWN = ("title", "section", "text")
_TALKATIVE = ("elastic_transport.transport", "opensearch")  # a line a request, thousands in a task's log


@dataclass(slots=True)
class Rerank:
    """A reranker in memory, its share of the blended score, and how many documents of the head it reads."""

    score: Score
    weight: float
    depth: int
    known: dict[tuple[str, str], float] = field(default_factory=dict, repr=False)  # (query, chunk_id) -> score
    took_ms: list[float] = field(default_factory=list, repr=False)  # of each head that was scored as a whole

    def scores(self, query: str, ranked: Sequence[Ranked]) -> dict[str, float]:
        """Return the score of each document of the head; a pair that both engines found is scored once."""
        head = ranked[: self.depth]
        fresh = [entry for entry in head if (query, entry.hit.chunk_id) not in self.known]
        if fresh:
            started = time.perf_counter()
            found = self.score(query, [passage(entry) for entry in fresh])
            if len(fresh) == len(head):
                self.took_ms.append((time.perf_counter() - started) * 1000)
            self.known |= {(query, entry.hit.chunk_id): float(one) for entry, one in zip(fresh, found, strict=True)}
        return {entry.doc_id: self.known[query, entry.hit.chunk_id] for entry in head}


@dataclass(frozen=True, slots=True)
class Side:
    """What turns the chunks that an engine found into a release's ranking."""

    fusion: Fusion
    rerank: Rerank | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """What one engine found for one query: chunks by words and by meaning, best first."""

    query: str
    lexical: list[Hit]
    nearest: list[Hit]


@dataclass(frozen=True, slots=True)
class Rankings:
    """Ids of documents, best first, by query.

    ``served``: what users get, reranked where the side does that; ``fused``: before it; ``vector``: by vectors alone.
    """

    served: dict[str, list[str]]
    fused: dict[str, list[str]]
    vector: dict[str, list[str]]


def embed(queries: Mapping[str, str], encode: Encode) -> dict[str, NDArray[np.float32]]:
    """Return the vector of each query by id, made one after the other, as they arrive online."""
    return {query_id: encode([understand(query).plain])[0] for query_id, query in queries.items()}


def collect(
    settings: Settings,
    engine: EngineName,
    index: str,
    queries: Mapping[str, str],
    vectors: Mapping[str, NDArray[np.float32]],
    *,
    access: Access,
    texts: bool = False,
    done: Callable[[], None] = lambda: None,
) -> dict[str, Found]:
    """Ask one index every query, by words and by meaning; ``texts`` keeps what a reranker reads of the chunks.

    Raises what the engine raises, after retries of what is ``Transient``.
    """
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)
    sources: dict[str, dict[str, str]] = {}  # a chunk's text is kept once, however often it is found

    def slim(hits: Sequence[Hit]) -> list[Hit]:
        if not texts:
            return [Hit(hit.chunk_id, hit.doc_id, hit.score) for hit in hits]
        for hit in hits:
            sources.setdefault(hit.chunk_id, {name: hit.source[name] for name in _SHOWN})
        return [Hit(hit.chunk_id, hit.doc_id, hit.score, sources[hit.chunk_id]) for hit in hits]

    async def run() -> dict[str, Found]:
        side, free, size = searcher(settings, engine), asyncio.Semaphore(_AT_A_TIME), settings.query.candidates

        async def ask(query: Understanding, vector: NDArray[np.float32]) -> Found:
            async with free:
                lexical, nearest = await _ask(side, index, query, vector, access=access, size=size)
                done()
                return Found(query.plain, slim(lexical), slim(nearest))

        try:
            async with asyncio.TaskGroup() as group:
                tasks = {one: group.create_task(ask(understand(text), vectors[one])) for one, text in queries.items()}
        except* Exception as failures:  # noqa: BLE001  the first of them says what is wrong
            raise failures.exceptions[0] from None
        finally:
            await side.close()
        return {query_id: task.result() for query_id, task in tasks.items()}

    return asyncio.run(run())


@stamina.retry(on=Transient, attempts=6, timeout=180)
async def _ask(
    side: Searcher, index: str, query: Understanding, vector: NDArray[np.float32], *, access: Access, size: int
) -> tuple[list[Hit], list[Hit]]:
    asked = Conditions(phrases=query.phrases)
    lexical = await side.bm25(
        index, query.plain, access, size=size, timeout_s=_TIMEOUT_S, conditions=asked, highlight=False
    )
    nearest = await side.vector(index, vector.tolist(), access, size=size, timeout_s=_TIMEOUT_S, conditions=asked)
    return lexical, nearest


def rank(found: Found, fusion: Fusion, rerank: Rerank | None = None) -> list[Ranked]:
    """Return the documents in the order in which the query module would show them."""
    ranked = fuse(found.lexical, found.nearest, fusion, language=language.of_query(found.query))
    if rerank is None or not rerank.weight:
        return ranked
    return blend(ranked, rerank.scores(found.query, ranked), rerank.weight)


def rankings(side: Side, found: Mapping[str, Found]) -> Rankings:
    """Rank every query as the side would."""
    fused = {one: [entry.doc_id for entry in rank(it, side.fusion)[:DEPTH]] for one, it in found.items()}
    served = fused
    if side.rerank is not None and side.rerank.weight:
        served = {
            one: [entry.doc_id for entry in rank(it, side.fusion, side.rerank)[:DEPTH]] for one, it in found.items()
        }
    nearest = {one: [*best_chunks(it.nearest)][:DEPTH] for one, it in found.items()}
    return Rankings(served, fused, nearest)
