"""Before a release takes over: its services are asked once and its indexes searched once, so that nobody waits."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from concurrent.futures import CancelledError
from typing import Any

from searchloom.engines.interface import Access, Searcher
from searchloom.errors import SearchloomError
from searchloom.query.deadline import Deadline
from searchloom.query.model_services import ModelServices
from searchloom.release.document import Release
from searchloom.settings import EngineName

log = logging.getLogger(__name__)

LIMIT_S = 2.0
"""For everything together: a release whose services do not answer takes over cold, for whoever promoted it wants it."""

_QUERY = "warm up"
_NOBODY = Access(tenant="nobody")
_HITS = 10


class WarmUp:
    """Called from the thread that follows the releases; runs where the connections live, on the event loop."""

    def __init__(
        self, searchers: Mapping[EngineName, Searcher], services: ModelServices, loop: asyncio.AbstractEventLoop
    ) -> None:
        self._searchers = searchers
        self._services = services
        self._loop = loop

    def __call__(self, releases: Sequence[Release]) -> None:
        """Warm up these releases, all at once, within ``LIMIT_S`` seconds."""
        running = self._all(releases)
        try:
            asyncio.run_coroutine_threadsafe(running, self._loop).result()
        except (RuntimeError, CancelledError):  # the service is being stopped
            running.close()

    async def _all(self, releases: Sequence[Release]) -> None:
        steps = [step for release in releases for step in (self._search(release), self._rerank(release))]
        outcomes = await asyncio.gather(*(asyncio.wait_for(step, LIMIT_S) for step in steps), return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, (SearchloomError, TimeoutError)):
                log.warning("a release takes over cold: %s", outcome or "warming up took too long")
            elif isinstance(outcome, BaseException):
                log.error("warming up failed", exc_info=outcome)

    async def _search(self, release: Release) -> None:
        vector = await self._services.embed(_QUERY, release.embedding, Deadline.after(LIMIT_S))
        options: dict[str, Any] = {"size": _HITS, "timeout_s": LIMIT_S}
        asked = [(self._searchers[engine], index) for engine, index in release.generation.items()]
        await asyncio.gather(
            *(searcher.vector(index, vector, _NOBODY, **options) for searcher, index in asked),
            *(searcher.lexical(index, _QUERY, _NOBODY, **options) for searcher, index in asked),
        )

    async def _rerank(self, release: Release) -> None:
        if release.reranker:
            await self._services.rerank(_QUERY, [_QUERY], release.reranker, Deadline.after(LIMIT_S))
