"""An answer is made at the model's pace, whatever its reader's: a slow reader holds nothing but a few kilobytes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractContextManager, aclosing

from searchloom.errors import SearchloomError
from searchloom.query.chat.schemas import Broken, Event
from searchloom.query.failures import INTERNAL, code_of

log = logging.getLogger(__name__)

_UNDER_WAY: set[asyncio.Task[None]] = set()
"""The event loop itself keeps no hold of a task."""


class Running:
    """One answer in the making, in a task of its own."""

    def __init__(
        self,
        make: Callable[[], AsyncGenerator[Event, None]],
        place: AbstractContextManager[None],
        request_id: str,
    ) -> None:
        self._make = make
        self._place = place
        self._request_id = request_id
        self._events: asyncio.Queue[Event | Exception | None] = asyncio.Queue()  # bounded by the answer's tokens
        self._task = asyncio.create_task(self._run())
        _UNDER_WAY.add(self._task)
        self._task.add_done_callback(_UNDER_WAY.discard)

    async def first(self) -> Event:
        """Wait for the first event; raises what went wrong before it."""
        try:
            event = await self._events.get()
        except asyncio.CancelledError:
            self.stop()
            raise
        if isinstance(event, Event):
            return event
        raise event or RuntimeError("an answer without any event")

    async def rest(self) -> AsyncGenerator[Event, None]:
        """Yield the other events; what goes wrong among them is one. Leaving early stops the model."""
        try:
            while (event := await self._events.get()) is not None:
                yield self._told(event) if isinstance(event, Exception) else event
        finally:
            self.stop()

    async def whole(self) -> list[Event]:
        """Wait for all the other events; raises what goes wrong. Leaving early stops the model."""
        found: list[Event] = []
        try:
            while (event := await self._events.get()) is not None:
                if isinstance(event, Exception):
                    raise event
                found.append(event)
        finally:
            self.stop()
        return found

    def stop(self) -> None:
        """Nobody listens any more."""
        self._task.cancel()

    async def _run(self) -> None:
        try:
            with self._place:
                async with aclosing(self._make()) as events:
                    async for event in events:
                        self._events.put_nowait(event)
        except Exception as error:  # noqa: BLE001  whoever reads the events raises or tells it
            self._events.put_nowait(error)
        self._events.put_nowait(None)

    def _told(self, error: Exception) -> Broken:
        if isinstance(error, SearchloomError):
            return Broken(code=code_of(error), message=str(error), request_id=self._request_id)
        log.error("the answer of request %s failed", self._request_id, exc_info=error)
        return Broken(code="internal", message=INTERNAL, request_id=self._request_id)
