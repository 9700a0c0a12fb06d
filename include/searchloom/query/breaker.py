"""A circuit breaker for each engine: one that fails again and again is not asked until it has shown that it works.

    closed --[THRESHOLD failures in a row]--> open --[it answers a ping]--> half-open --[it serves a search]--> closed
                                               ^                                |
                                               +-------------[it fails]---------+

Whoever searches never waits for an engine that is known to be down; finding out whether it is back is done by pings
in the background, and then by one search whose loss the other engine makes good.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Literal

from searchloom.query import metrics
from searchloom.settings import EngineName

log = logging.getLogger(__name__)

State = Literal["closed", "half-open", "open"]

THRESHOLD = 3
REST_S = 5.0
"""An engine that has just failed once is asked last for this long: a hanging one costs a search half its time."""

PING_EVERY_S = 0.25
PING_AT_MOST_EVERY_S = 2.0
"""Pings of an engine that stays away become fewer, down to this."""


class Breaker:
    """The state of one engine. For one event loop, not for threads."""

    def __init__(self, engine: EngineName, ping: Callable[[], Awaitable[bool]]) -> None:
        self.engine = engine
        self.state: State = "closed"
        self._ping = ping
        self._failures = 0
        self._failed_at = float("-inf")
        self._on_trial = False
        self._watching: asyncio.Task[None] | None = None
        metrics.breaker(engine, self.state)

    def allows(self) -> bool:
        """Whether a search may ask this engine now."""
        return self.state == "closed" or (self.state == "half-open" and not self._on_trial)

    @property
    def last(self) -> bool:
        """Whether this engine should be asked after the other one; while on trial it must not, to have its trial."""
        return self.state == "closed" and time.monotonic() - self._failed_at < REST_S

    def asked(self) -> None:
        """Note that a search asks this engine now; while it is on trial nobody else does."""
        self._on_trial = self.state == "half-open"

    def served(self) -> None:
        """Note that it answered."""
        self._failures, self._failed_at, self._on_trial = 0, float("-inf"), False
        if self.state == "half-open":
            self._become("closed")

    def failed(self) -> None:
        """Note that it did not answer, or not in time."""
        self._failures += 1
        self._failed_at, self._on_trial = time.monotonic(), False
        if self.state == "half-open" or (self.state == "closed" and self._failures >= THRESHOLD):
            self._become("open")
            self._watching = asyncio.create_task(self._watch(), name=f"watch {self.engine}")

    def left(self) -> None:
        """Note that whoever asked has gone away without an answer, which says nothing of the engine."""
        self._on_trial = False

    async def close(self) -> None:
        """Stop watching."""
        if self._watching:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)

    async def _watch(self) -> None:
        pause = PING_EVERY_S
        while True:
            await asyncio.sleep(pause)
            if await self._ping():
                self._become("half-open")
                return
            pause = min(pause * 2, PING_AT_MOST_EVERY_S)

    def _become(self, state: State) -> None:
        log.warning("%s: the circuit is %s now", self.engine, state)
        self.state = state
        metrics.breaker(self.engine, state)
