"""One search under way: what was asked, what serves it, how long it may take, and what has come of it so far."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from searchloom import tracing
from searchloom.engines.interface import Access, Conditions
from searchloom.query import metrics
from searchloom.query.auth import Caller
from searchloom.query.deadline import Deadline
from searchloom.query.degraded import Degradable
from searchloom.query.schemas import SearchRequest
from searchloom.query.understanding import Understanding, understand
from searchloom.release.document import Release

_Value = TypeVar("_Value")


@dataclass(slots=True)
class Work(Degradable):
    """One search. ``timings`` in ms by step."""

    request: SearchRequest
    release: Release
    caller: Caller
    deadline: Deadline
    understood: Understanding
    corrected: str | None = None
    timings: dict[str, float] = field(default_factory=dict)
    started: float = field(default_factory=time.perf_counter)

    @classmethod
    def begin(cls, request: SearchRequest, release: Release, caller: Caller, deadline: Deadline) -> Work:
        """Start the clock, and take the query apart."""
        return cls(request, release, caller, deadline, understand(request.query))

    @property
    def access(self) -> Access:
        """Whose documents may be found."""
        return self.caller.access

    @property
    def query(self) -> str:
        """The words that are searched and embedded: without quotation marks, and spelt as they should be."""
        return self.corrected or self.understood.plain

    @property
    def conditions(self) -> Conditions:
        """What every chunk found must fulfil."""
        asked = self.request.filters
        if asked is None:
            return Conditions(phrases=self.understood.phrases)
        return Conditions(self.understood.phrases, asked.mime, asked.language, asked.section, asked.after, asked.before)

    async def timed(self, step: str, doing: Awaitable[_Value]) -> _Value:
        """Await something and note how long it took."""
        with self.timing(step):
            return await doing

    @contextmanager
    def timing(self, step: str) -> Iterator[None]:
        """Note how long the block took; a step that runs twice counts twice."""
        started = time.perf_counter()
        try:
            with tracing.span(step):
                yield
        finally:
            seconds = time.perf_counter() - started
            self.timings[step] = round(self.timings.get(step, 0.0) + seconds * 1000, 2)
            metrics.step(step, seconds)
