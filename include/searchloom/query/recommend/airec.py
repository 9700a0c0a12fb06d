"""AIRec's part: asked when it can be, left out when it is late, and not asked for a while after it has failed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from searchloom import tracing
from searchloom.cloud import airec_names
from searchloom.cloud.airec_rows import MAX_RETURNED, Recommendation
from searchloom.errors import SearchloomError, ServiceUnavailable
from searchloom.query.auth import Caller
from searchloom.query.deadline import Deadline
from searchloom.settings import Settings

if TYPE_CHECKING:
    from searchloom.cloud.airec_online import AirecOnline

REST_S = 5.0
"""After a failure, so long nobody waits for it."""


class AirecSource:
    """Recommendations for users and next to items. Where no instance is set there are none, and nothing is missing."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._client: AirecOnline | None = None
        self._opening = asyncio.Lock()
        self._rests_until = float("-inf")

    @property
    def is_set(self) -> bool:
        """Whether there is an instance to ask."""
        return bool(self._settings.airec.instance_id)

    async def recommend(
        self, caller: Caller, *, corpus: str, count: int, items: Sequence[str], deadline: Deadline
    ) -> list[Recommendation]:
        """Ask for documents for the caller, or next to ``items``; raises ``ServiceUnavailable`` when it is not up.

        The ids that come back are those of documents, as are ``items``.
        """
        if not self.is_set:
            return []
        if time.monotonic() < self._rests_until:
            raise ServiceUnavailable("AIRec has just failed and is left alone for some seconds")
        wait_s = min(self._settings.recommend.airec_ms / 1000, deadline.share(0.5).remaining_s())
        try:
            async with asyncio.timeout(wait_s):
                with tracing.span("airec"):
                    return await self._ask(caller, corpus, count=count, items=items)
        except TimeoutError as error:
            self._rests_until = time.monotonic() + REST_S
            raise ServiceUnavailable(f"AIRec did not answer within {wait_s:.1f} s") from error
        except SearchloomError:
            self._rests_until = time.monotonic() + REST_S
            raise

    async def _ask(self, caller: Caller, corpus: str, *, count: int, items: Sequence[str]) -> list[Recommendation]:
        client, kind = await self.open(), self._settings.recommend.item_type
        found = await client.recommend(
            user_id=airec_names.user_key(caller.access.tenant, caller.user),
            count=min(count, MAX_RETURNED),
            items=[(airec_names.item_id(item), kind) for item in items],
            filters=airec_names.scope(caller.access.tenant, corpus),
        )
        return [replace(one, item_id=airec_names.doc_id(one.item_id)) for one in found]

    async def open(self) -> AirecOnline:
        """Make the client, once; importing the vendor's code takes a third of a second, off the event loop."""
        async with self._opening:
            if self._client is None:
                kind = await asyncio.to_thread(_client_class)
                self._client = kind(self._settings.acs, self._settings.airec)
            return self._client

    async def close(self) -> None:
        """Let go of the connections."""
        if self._client is not None:
            await self._client.aclose()


def _client_class() -> type[AirecOnline]:
    from searchloom.cloud.airec_online import AirecOnline  # noqa: PLC0415  see above

    return AirecOnline
