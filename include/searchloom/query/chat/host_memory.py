"""The memory of a query module: the host's file of conversations, for an event loop that never waits for a disk."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from searchloom.errors import ServiceUnavailable
from searchloom.query.chat.conversations import Conversations
from searchloom.query.chat.memory import Owner, Turn

log = logging.getLogger(__name__)

SWEEP_S = 60.0
"""What was not used for long enough is gone from the disk so much later, at most."""

_Given = ParamSpec("_Given")
_Value = TypeVar("_Value")


class HostMemory:
    """A ``Memory`` that all processes of the host share."""

    def __init__(self, conversations: Conversations) -> None:
        self._conversations = conversations
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="conversations")
        self._marks: Mapping[str, float] = {}
        self._sweeping: asyncio.Task[None] | None = None

    async def turns(self, owner: Owner, conversation_id: str) -> Sequence[Turn] | None:
        """See ``Memory``."""
        return await self._run(self._conversations.turns, owner, conversation_id)

    async def add(self, owner: Owner, conversation_id: str, turn: Turn) -> None:
        """See ``Memory``."""
        await self._run(self._conversations.add, owner, conversation_id, turn)

    async def forget(self, tenant: str, user: str) -> int:
        """See ``Memory``."""
        return await self._run(self._conversations.forget, tenant, user)

    def erase(self, marks: Mapping[str, float]) -> None:
        """Forget those who were erased (key in hexadecimal -> moment). Blocks: for the thread that reads the marks."""
        new = {key: moment for key, moment in marks.items() if self._marks.get(key) != moment}
        try:
            self._conversations.erase(new)
        except ServiceUnavailable as error:
            log.warning("who was erased is forgotten later: %s", error)
        else:
            self._marks = dict(marks)

    def start(self) -> None:
        """Begin to forget also what nobody asks for."""
        self._sweeping = asyncio.create_task(self._sweep(), name="forget conversations")

    async def stop(self) -> None:
        """End it, and let go of the file."""
        if self._sweeping:
            self._sweeping.cancel()
        await self._run(self._conversations.close)
        self._thread.shutdown(wait=False)

    async def _sweep(self) -> None:
        while True:
            try:
                await self._run(self._conversations.expire)
            except ServiceUnavailable as error:
                log.warning("old conversations are not forgotten: %s", error)
            await asyncio.sleep(SWEEP_S)

    async def _run(self, doing: Callable[_Given, _Value], *args: _Given.args, **kwargs: _Given.kwargs) -> _Value:
        return await asyncio.get_running_loop().run_in_executor(self._thread, lambda: doing(*args, **kwargs))
