"""AIRec's weights for a person's documents: asked in the background, remembered for some minutes."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Mapping

from searchloom.errors import SearchloomError
from searchloom.query.auth import Caller
from searchloom.query.deadline import Deadline
from searchloom.query.recommend.airec import AirecSource

log = logging.getLogger(__name__)

KEPT_S = 300.0
MAX_PERSONS = 20_000
_COUNT = 50  # as many as one call gives
_ASKING_S = 5.0

_Weights = Mapping[str, float]
_Name = tuple[str, str, str]


class AirecWeights:
    """Weights by doc_id, of persons who have searched lately; used on one event loop."""

    def __init__(self, source: AirecSource) -> None:
        self._source = source
        self._known: OrderedDict[_Name, tuple[float, _Weights]] = OrderedDict()
        self._asked: dict[_Name, asyncio.Task[_Weights | None]] = {}

    @property
    def is_set(self) -> bool:
        """Whether there is an instance to ask."""
        return self._source.is_set

    async def of(self, caller: Caller, corpus: str, *, wait_s: float) -> _Weights | None:
        """What is known of a person, or becomes known within ``wait_s``; None where nothing is. Asking goes on."""
        if not self.is_set:
            return None
        name = (caller.access.tenant, caller.user, corpus)
        until, weights = self._known.get(name, (0.0, {}))
        if time.monotonic() < until:
            return weights
        task = self._asked.get(name)
        if task is None:
            task = self._asked[name] = asyncio.create_task(self._ask(caller, name))
            task.add_done_callback(lambda _: self._asked.pop(name, None))
        if wait_s:
            await asyncio.wait({task}, timeout=wait_s)
        return task.result() if task.done() else None

    async def close(self) -> None:
        """Ask no more."""
        for task in list(self._asked.values()):
            task.cancel()
        await asyncio.gather(*self._asked.values(), return_exceptions=True)

    async def _ask(self, caller: Caller, name: _Name) -> _Weights | None:
        try:
            found = await self._source.recommend(
                caller, corpus=name[2], count=_COUNT, items=(), deadline=Deadline.after(_ASKING_S)
            )
        except SearchloomError as error:
            log.info("AIRec gave no weights: %s", error)
            return None
        weights = {one.item_id: one.weight for one in found}
        self._known[name] = (time.monotonic() + KEPT_S, weights)
        if len(self._known) > MAX_PERSONS:
            self._known.popitem(last=False)
        return weights
