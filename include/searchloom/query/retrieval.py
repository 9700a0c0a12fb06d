"""Asks the engines: one serves, the other takes over; words and meaning at once; misspelt words once more.

An engine that is late is not given up: the other one is asked as well, and whichever answers first serves. Both hold
the same chunks under the same ids, so what one has found the other can show.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from searchloom.engines.interface import Access, Hit, Searcher
from searchloom.engines.mapping import SECTION_RAW
from searchloom.errors import SearchloomError, ServiceUnavailable, Transient
from searchloom.query import metrics
from searchloom.query.breaker import Breaker
from searchloom.query.deadline import Deadline, DeadlineExceeded
from searchloom.query.model_services import ModelServices
from searchloom.query.understanding import corrected
from searchloom.query.work import Work
from searchloom.release.document import Release
from searchloom.settings import ENGINES, EngineName
from searchloom.settings import Query as QuerySettings

log = logging.getLogger(__name__)

Embedding = Sequence[float]
COLUMNS = {"mime": "mime", "language": "language", "section": SECTION_RAW}
"""Facet -> the column that an index counts it by."""

_TRIAL_S = 0.25
"""So long an engine that has just come back may keep one search waiting before the other engine is asked too."""

_Value = TypeVar("_Value")
_Other = TypeVar("_Other")


@dataclass(frozen=True, slots=True)
class Found:
    """The chunks found by words and by meaning, slim, best first; None is what was not, or could not be, asked."""

    lexical: list[Hit] | None
    nearest: list[Hit] | None
    corrected: str | None = None


class _Vectors:
    """The vectors of one search's texts: both engines may wait for the same one."""

    def __init__(self, work: Work, services: ModelServices, settings: QuerySettings) -> None:
        self._work = work
        self._services = services
        self._settings = settings
        self._tasks: dict[str, asyncio.Task[Embedding | None]] = {}

    def task(self, text: str) -> asyncio.Task[Embedding | None]:
        """Begin to embed a text, unless that was done; the result is None where it cannot be had in time."""
        if text not in self._tasks:
            self._tasks[text] = asyncio.create_task(self._embed(text))
        return self._tasks[text]

    def cancel(self) -> None:
        """Give up what is not needed any more."""
        for task in self._tasks.values():
            task.cancel()

    async def _embed(self, text: str) -> Embedding | None:
        work = self._work
        try:
            budget = work.deadline.share(0.5)  # the engines need the rest
            if work.request.mode == "hybrid":
                budget = budget.earlier(self._settings.embedding_ms / 1000)
            return await work.timed("embed", self._services.embed(text, work.release.embedding, budget))
        except SearchloomError as error:
            log.warning("searching without vectors: %s", error)
            return None


class Retrieval:
    """Both engines, and the embedding service, for whatever searches."""

    def __init__(
        self, searchers: Mapping[EngineName, Searcher], services: ModelServices, settings: QuerySettings
    ) -> None:
        self._searchers = searchers
        self._services = services
        self._settings = settings
        self._breakers = {name: Breaker(name, one.ping) for name, one in searchers.items()}

    async def find(self, work: Work) -> tuple[EngineName, Found]:
        """Return what the first engine that answers has found, and which one that was.

        Raises ``ServiceUnavailable`` when none answers, or, in mode ``vector``, the embedding service does not.
        """
        vectors = _Vectors(work, self._services, self._settings)
        try:
            embedding = vectors.task(work.query) if work.request.mode != "bm25" else None
            if embedding and work.request.mode == "vector" and await asyncio.shield(embedding) is None:
                raise ServiceUnavailable("the embedding service does not answer; ask again in mode bm25 or hybrid")
            preferred = self._preferred(work.request.engine, work.access, work.release)

            async def ask(engine: EngineName) -> Found:
                return await self._ask(engine, work, vectors)

            engine, found = await self._first(work.release, work.deadline, preferred, ask, after=embedding)
        finally:
            vectors.cancel()
        if engine != preferred:
            work.leave_out(preferred)
        if work.request.mode == "hybrid" and found.nearest is None:
            work.leave_out("vector")
        if found.corrected:
            work.corrected = found.corrected
            metrics.corrected()
        return engine, found

    async def show(
        self, work: Work, engine: EngineName, chunk_ids: Sequence[str], *, highlight: bool
    ) -> dict[str, Hit]:
        """Return these chunks as they are shown, from the engine that found them, or from the other one."""

        async def ask(name: EngineName) -> dict[str, Hit]:
            searcher, index = self._searchers[name], work.release.generation[name]
            return await searcher.show(
                index,
                work.query,
                chunk_ids,
                work.access,
                highlight=highlight,
                timeout_s=work.deadline.remaining_s(),
            )

        served, shown = await self._first(work.release, work.deadline, engine, ask)
        if served != engine:
            work.leave_out(engine)
        return shown

    async def suggest(
        self, prefix: str, release: Release, access: Access, deadline: Deadline, *, size: int
    ) -> list[Hit]:
        """Return the documents whose titles hold the words typed so far."""

        async def ask(name: EngineName) -> list[Hit]:
            searcher, index = self._searchers[name], release.generation[name]
            return await searcher.suggest(index, prefix, access, size=size, timeout_s=deadline.remaining_s())

        return (await self._first(release, deadline, self._preferred(None, access, release), ask))[1]

    async def ask(
        self,
        release: Release,
        access: Access,
        deadline: Deadline,
        question: Callable[[Searcher, str], Awaitable[_Value]],
        *,
        engine: EngineName | None = None,
    ) -> _Value:
        """Ask something of an engine (given: its searcher, its index), and of the other one when it fails or is late.

        Raises ``ServiceUnavailable`` when neither answers.
        """

        async def ask(name: EngineName) -> _Value:
            return await question(self._searchers[name], release.generation[name])

        return (await self._first(release, deadline, self._preferred(engine, access, release), ask))[1]

    def _preferred(self, asked: EngineName | None, access: Access, release: Release) -> EngineName:
        """The engine that was asked for, or the tenant's, or the service's own."""
        wanted = asked or self._settings.tenant_engines.get(access.tenant, self._settings.engine)
        return wanted if wanted in release.generation else next(iter(release.generation))

    async def _first(
        self,
        release: Release,
        deadline: Deadline,
        preferred: EngineName,
        ask: Callable[[EngineName], Awaitable[_Value]],
        *,
        after: asyncio.Task[Embedding | None] | None = None,
    ) -> tuple[EngineName, _Value]:
        """Ask one engine, and the other one when it fails or is late; return the first answer.

        ``after`` is something that the engines' answers wait for: until it is there nobody is late.
        """
        waiting = self._order(preferred, release.generation)
        running: dict[asyncio.Task[_Value], EngineName] = {}
        try:
            while waiting or running:
                if waiting:
                    engine = waiting.pop(0)
                    self._breakers[engine].asked()
                    running[asyncio.create_task(_awaited(ask(engine)))] = engine
                patience = self._patience(engine, deadline) if waiting else deadline.remaining_s()
                for task in await _finished(running, patience, after if waiting else None):
                    name = running.pop(task)
                    if self._served(name, task):
                        return name, task.result()
        except DeadlineExceeded:
            log.warning("no engine has answered within the deadline")
        except asyncio.CancelledError:  # whoever asked has left
            self._forget(running, left=True)
            raise
        finally:
            self._forget(running, left=False)
        raise ServiceUnavailable("neither search engine answers; try again in a moment")

    async def close(self) -> None:
        """Stop watching engines that are away."""
        await asyncio.gather(*(breaker.close() for breaker in self._breakers.values()))

    def _order(self, preferred: EngineName, generation: Mapping[EngineName, str]) -> list[EngineName]:
        """The preferred engine, then the other one; one that has just failed comes last, one that is down not at all.

        Where all are on trial, all may be asked.
        """
        engines = [name for name in dict.fromkeys((preferred, *ENGINES)) if name in generation]
        able = [name for name in engines if self._breakers[name].allows()]
        able = able or [name for name in engines if self._breakers[name].state == "half-open"]
        return sorted(able, key=lambda name: self._breakers[name].last)

    def _patience(self, engine: EngineName, deadline: Deadline) -> float:
        """Seconds after which the other engine is asked as well."""
        left = deadline.remaining_s() / 2
        if self._breakers[engine].state == "half-open":
            return min(left, _TRIAL_S)
        return min(left, self._settings.hedge_ms / 1000) if self._settings.hedge_ms else left

    def _served(self, engine: EngineName, task: asyncio.Task[_Value]) -> bool:
        error = task.exception()
        if error is None:
            self._breakers[engine].served()
            metrics.engine_search(engine, "served")
            return True
        if not isinstance(error, (SearchloomError, TimeoutError)):
            raise error
        log.warning("%s is left out: %s", engine, error or "it took too long")
        if isinstance(error, (Transient, TimeoutError)):
            self._breakers[engine].failed()
            metrics.engine_search(engine, "failed")
        else:
            self._breakers[engine].left()
            metrics.engine_search(engine, "refused")
        return False

    def _forget(self, running: dict[asyncio.Task[_Value], EngineName], *, left: bool) -> None:
        """Stop whatever still runs: it was overtaken, or the time is up, which both count against the engine."""
        for task, engine in running.items():
            task.cancel()
            if left:
                self._breakers[engine].left()
            else:
                self._breakers[engine].failed()
                metrics.engine_search(engine, "late")
        running.clear()

    async def _ask(self, engine: EngineName, work: Work, vectors: _Vectors) -> Found:
        """Ask one engine for words and for meaning at once, and once more where a word was misspelt."""
        searcher, index = self._searchers[engine], work.release.generation[engine]
        size, conditions = self._settings.candidates, work.conditions
        columns = [COLUMNS[name] for name in work.request.facets]

        async def lexical(query: str, words: Sequence[str] = ()) -> tuple[list[Hit], str | None]:
            with work.timing("bm25"):
                found = await searcher.lexical(
                    index,
                    query,
                    work.access,
                    size=size,
                    timeout_s=work.deadline.remaining_s(),
                    conditions=conditions,
                    words=words,
                    columns=columns,
                )
            better = await respelt(found.unknown) if found.unknown else None
            return (await lexical(better))[0] if better else found.hits, better

        async def respelt(unknown: Mapping[str, Sequence[str]]) -> str | None:
            with work.timing("spelling"):
                left = work.deadline.remaining_s()
                corrections = await searcher.spelling(index, unknown, work.access, timeout_s=left)
            return corrected(work.query, corrections) if corrections else None

        async def nearest(query: str) -> list[Hit] | None:
            vector = await asyncio.shield(vectors.task(query))
            if vector is None:
                return None
            with work.timing("vector"):
                return await searcher.vector(
                    index,
                    vector,
                    work.access,
                    size=size,
                    timeout_s=work.deadline.remaining_s(),
                    conditions=conditions,
                    columns=columns,
                )

        if work.request.mode == "vector":
            return Found(None, await nearest(work.query))
        words = work.understood.words if work.request.correct else ()
        if work.request.mode == "bm25":
            hits, better = await lexical(work.query, words)
            return Found(hits, None, better)
        (hits, better), near = await _both(lexical(work.query, words), nearest(work.query))
        return Found(hits, await nearest(better) if better else near, better)


async def _awaited(doing: Awaitable[_Value]) -> _Value:
    return await doing


async def _finished(
    running: Mapping[asyncio.Task[_Value], EngineName],
    patience: float,
    after: asyncio.Task[Embedding | None] | None,
) -> set[asyncio.Task[_Value]]:
    """Wait until one of the tasks has finished, or for so long; the waiting for ``after`` is not counted."""
    if after and not after.done():
        await asyncio.wait([*running, after], return_when=asyncio.FIRST_COMPLETED)
        if done := {task for task in running if task.done()}:
            return done
    done, _ = await asyncio.wait(running, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
    return done


async def _both(first: Awaitable[_Value], second: Awaitable[_Other]) -> tuple[_Value, _Other]:
    """Run both at once; the first failure of either is raised at once, and the other one stopped."""
    one, two = asyncio.ensure_future(first), asyncio.ensure_future(second)
    try:
        return await asyncio.gather(one, two)
    finally:
        one.cancel()
        two.cancel()
