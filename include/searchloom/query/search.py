"""The search pipeline: embed, ask one engine for words and meaning at once, fuse, rerank, show documents.

One release serves a request from its first step to its last, whatever is promoted meanwhile. A part that is down or
late is left out and named; only when nothing can answer does the search fail.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from searchloom.engines.interface import Access, Hit, Searcher
from searchloom.errors import SearchloomError, ServiceUnavailable, Transient
from searchloom.query import documents
from searchloom.query.deadline import Deadline
from searchloom.query.model_services import ModelServices
from searchloom.query.rerank import Reranked, rerank
from searchloom.query.schemas import Result, SearchAnswer, SearchRequest
from searchloom.release.document import Release
from searchloom.settings import ENGINES, EngineName
from searchloom.settings import Query as QuerySettings

log = logging.getLogger(__name__)

REST_S = 5.0
"""An engine that has just failed is asked last for this long: a hanging one would cost every search half its time."""

_Value = TypeVar("_Value")
Embedding = Sequence[float]


@dataclass(slots=True)
class _Work:
    """One search under way."""

    request: SearchRequest
    release: Release
    access: Access
    deadline: Deadline
    timings: dict[str, float] = field(default_factory=dict)  # ms
    degraded: list[str] = field(default_factory=list)

    async def timed(self, step: str, doing: Awaitable[_Value]) -> _Value:
        """Await something and note how long it took."""
        started = time.perf_counter()
        try:
            return await doing
        finally:
            self.timings[step] = _ms_since(started)


class SearchPipeline:
    """Answers searches with both engines and the embedding service at hand."""

    def __init__(
        self, searchers: Mapping[EngineName, Searcher], services: ModelServices, settings: QuerySettings
    ) -> None:
        self._searchers = searchers
        self._services = services
        self._settings = settings
        self._failed_at: dict[EngineName, float] = {}

    async def search(
        self, request: SearchRequest, release: Release, access: Access, deadline: Deadline
    ) -> SearchAnswer:
        """Return the documents of the release that this caller may see, best first.

        Raises ``ServiceUnavailable`` when no engine answers, or, in mode ``vector``, the embedding service does not.
        """
        started = time.perf_counter()
        work = _Work(request, release, access, deadline)
        embedding = asyncio.create_task(self._embed(work)) if request.mode != "bm25" else None
        try:
            if request.mode == "vector" and await _vector(embedding) is None:
                raise ServiceUnavailable("the embedding service does not answer; ask again in mode bm25 or hybrid")
            engine, lexical, nearest = await self._ask_engines(work, embedding)
        finally:
            if embedding:
                embedding.cancel()
        if request.mode == "hybrid" and nearest is None:
            work.degraded.append("vector")
        shown = await self._ranked(work, lexical or [], nearest or [])
        results = await self._highlighted(work, engine, shown)
        return _answer(work, engine, results, started)

    async def _ranked(self, work: _Work, lexical: list[Hit], nearest: list[Hit]) -> list[Result]:
        """Fuse, let the reranker read the head where the release has one, and cut out the page."""
        fusing = time.perf_counter()
        found = Reranked(documents.rank(work.request, work.release.fusion, lexical, nearest))
        work.timings["fuse"] = _ms_since(fusing)
        model = work.release.reranker
        if model and work.request.rerank and work.request.mode == "hybrid":
            try:
                budget = _earlier(work.deadline.share(0.7), Deadline.after(self._settings.rerank_ms / 1000))
                judging = rerank(self._services, model, work.request.query, found.ranked, budget)
                found = await work.timed("rerank", judging)
            except SearchloomError as error:
                log.warning("searching without reranking: %s", error)
                work.degraded.append("rerank")
        return documents.page(work.request, found, lexical, nearest)

    async def _highlighted(self, work: _Work, engine: EngineName, results: list[Result]) -> list[Result]:
        """Show in each result the passage with the query's words; the head of its text where there is no time for it.

        Only what is shown is highlighted: for all candidates it would take longer than finding them.
        """
        if not work.request.highlight or not results:
            return results
        index, chunks = work.release.generation[engine], [result.chunk_id for result in results]
        try:
            found = await work.timed(
                "passages",
                self._searchers[engine].passages(
                    index, work.request.query, chunks, work.access, timeout_s=work.deadline.remaining_s()
                ),
            )
        except (SearchloomError, TimeoutError) as error:
            log.warning("%s: results without highlights: %s", engine, error or "it took too long")
            work.degraded.append("highlights")
            return results
        return [result.model_copy(update={"passage": found.get(result.chunk_id, result.passage)}) for result in results]

    async def _embed(self, work: _Work) -> Embedding | None:
        """Return the query's vector, or None where it cannot be had in time."""
        budget = work.deadline.share(0.5)  # the engines need the rest
        if work.request.mode == "hybrid":
            budget = _earlier(budget, Deadline.after(self._settings.embedding_ms / 1000))
        try:
            return await work.timed("embed", self._services.embed(work.request.query, work.release.embedding, budget))
        except SearchloomError as error:
            log.warning("searching without vectors: %s", error)
            return None

    async def _ask_engines(
        self, work: _Work, embedding: asyncio.Task[Embedding | None] | None
    ) -> tuple[EngineName, list[Hit] | None, list[Hit] | None]:
        """Ask the engines one after the other, until one answers."""
        engines = self._order(work)
        for place, engine in enumerate(engines):
            last = place == len(engines) - 1
            try:
                share = work.deadline if last else work.deadline.share(0.5)
                lexical, nearest = await self._ask(engine, work, embedding, share)
            except (SearchloomError, TimeoutError) as error:
                log.warning("%s is left out: %s", engine, error or "it took too long")
                if isinstance(error, (Transient, TimeoutError)):
                    self._failed_at[engine] = time.monotonic()
            else:
                if engine != self._preferred(work):
                    work.degraded.append(self._preferred(work))
                return engine, lexical, nearest
        raise ServiceUnavailable("neither search engine answers; try again in a moment")

    def _order(self, work: _Work) -> list[EngineName]:
        """The engine asked for, then the other one; an engine that has just failed comes last."""
        engines = [name for name in (self._preferred(work), *ENGINES) if name in work.release.generation]
        rested = time.monotonic() - REST_S
        return sorted(dict.fromkeys(engines), key=lambda name: self._failed_at.get(name, rested) > rested)

    def _preferred(self, work: _Work) -> EngineName:
        return work.request.engine or self._settings.engine

    async def _ask(
        self, engine: EngineName, work: _Work, embedding: asyncio.Task[Embedding | None] | None, deadline: Deadline
    ) -> tuple[list[Hit] | None, list[Hit] | None]:
        """Ask one engine for words and for meaning at once; None is what was not, or could not be, asked."""
        searcher, index = self._searchers[engine], work.release.generation[engine]
        size, query = self._settings.candidates, work.request.query

        async def lexical() -> list[Hit] | None:
            if work.request.mode == "vector":
                return None
            asking = searcher.bm25(
                index, query, work.access, size=size, timeout_s=deadline.remaining_s(), highlight=False
            )
            return await work.timed("bm25", asking)

        async def nearest() -> list[Hit] | None:
            vector = await _vector(embedding)
            if vector is None:
                return None
            asking = searcher.vector(index, vector, work.access, size=size, timeout_s=deadline.remaining_s())
            return await work.timed("vector", asking)

        async with asyncio.timeout(deadline.remaining_s()):
            return await _both(lexical(), nearest())


async def _vector(embedding: asyncio.Task[Embedding | None] | None) -> Embedding | None:
    return await asyncio.shield(embedding) if embedding else None  # two engines may wait for the one task


async def _both(
    first: Awaitable[list[Hit] | None], second: Awaitable[list[Hit] | None]
) -> tuple[list[Hit] | None, list[Hit] | None]:
    """Run both at once; the first failure of either is raised at once, and the other one stopped."""
    tasks = asyncio.ensure_future(first), asyncio.ensure_future(second)
    try:
        one, two = await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
    return one, two


def _earlier(one: Deadline, other: Deadline) -> Deadline:
    return min(one, other, key=lambda deadline: deadline.at)


def _answer(work: _Work, engine: EngineName, results: list[Result], started: float) -> SearchAnswer:
    request = work.request
    return SearchAnswer(
        query=request.query,
        corpus=request.corpus,
        release=work.release.number,
        engine=engine,
        mode=request.mode,
        took_ms=_ms_since(started),
        degraded=work.degraded,
        results=results,
        timings=work.timings if request.explain else None,
    )


def _ms_since(started: float) -> float:
    return round((time.perf_counter() - started) * 1000, 2)
