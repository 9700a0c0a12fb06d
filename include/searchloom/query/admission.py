"""How many searches run at once, and how many may wait: whoever finds the queue full is told so at once.

Refusing early keeps the others fast. Without a bound each would wait for all before it, and most of what the engines
did would be for callers whose deadline has passed.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from searchloom.query import metrics
from searchloom.query.deadline import Deadline
from searchloom.query.limits import TooMany
from searchloom.settings import Query

_RETRY_AFTER_S = 1.0


class Admission:
    """The queue of one process, and of one event loop."""

    def __init__(self, settings: Query) -> None:
        self._room = settings.concurrency
        self._queue = settings.queue
        self._slots = asyncio.Semaphore(settings.concurrency)
        self._working = 0
        self._waiting = 0

    @property
    def idle(self) -> bool:
        """Whether nobody is being served."""
        return not self._working and not self._waiting

    @asynccontextmanager
    async def turn(self, deadline: Deadline) -> AsyncIterator[None]:
        """Wait for a turn, and have it.

        Raises ``TooMany`` where the queue is full already, or where half of the time has gone by in it.
        """
        if self._slots.locked() and self._waiting >= self._queue:
            raise self._full()
        self._waiting += 1
        self._show()
        try:
            async with asyncio.timeout(deadline.remaining_s() / 2):
                await self._slots.acquire()
        except TimeoutError as error:
            raise self._full() from error
        finally:
            self._waiting -= 1
            self._show()
        self._working += 1
        self._show()
        try:
            yield
        finally:
            self._slots.release()
            self._working -= 1
            self._show()

    def _full(self) -> TooMany:
        metrics.refused()
        return TooMany(
            f"there is no room for another search: {self._working} are under way and {self._waiting} wait; "
            "try again in a second",
            retry_after_s=_RETRY_AFTER_S,
        )

    def _show(self) -> None:
        metrics.load(self._working, self._waiting)
