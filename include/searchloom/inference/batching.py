"""Dynamic batching: whatever waits while the model is busy goes through it together, next time."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Generic, TypeVar

from pydantic import BaseModel

from searchloom.errors import ServiceUnavailable
from searchloom.inference.handler import Asked, Handler

MAX_WAITING = 256
"""Requests in the queue; one more is told to come back later, instead of timing out in line."""


Answer = TypeVar("Answer", bound=BaseModel)


class Batcher(Generic[Asked, Answer]):
    """Feeds one handler from one thread. A lone request never waits for company: there is no batching delay."""

    def __init__(self, handler: Handler[Asked, Answer]) -> None:
        self._handler = handler
        self._waiting: deque[tuple[Asked, asyncio.Future[Answer]]] = deque()
        self._arrived = asyncio.Event()

    async def answer(self, request: Asked) -> Answer:
        """Return what the model makes of the request; ``ServiceUnavailable`` when too many requests wait already."""
        if len(self._waiting) >= MAX_WAITING:
            raise ServiceUnavailable(f"{MAX_WAITING} requests are waiting for the model; try again in a second")
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((request, answer))
        self._arrived.set()
        return await answer

    async def run(self) -> None:
        """Serve the queue until cancelled."""
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            while batch := self._take():
                await self._answer(batch)

    def _take(self) -> list[tuple[Asked, asyncio.Future[Answer]]]:
        """Take the oldest requests, as many as the model takes at once; those whose caller has gone are dropped."""
        batch: list[tuple[Asked, asyncio.Future[Answer]]] = []
        texts = 0
        while self._waiting:
            request, answer = self._waiting[0]
            if answer.cancelled():
                self._waiting.popleft()
                continue
            if batch and texts + self._handler.size(request) > self._handler.most:
                break
            texts += self._handler.size(request)
            batch.append(self._waiting.popleft())
        return batch

    async def _answer(self, batch: list[tuple[Asked, asyncio.Future[Answer]]]) -> None:
        try:
            answers = await asyncio.to_thread(self._handler.answer, [request for request, _ in batch])
        except Exception as error:  # noqa: BLE001  whatever the model raises belongs to the callers, not to this loop
            for _, waiting in batch:
                if not waiting.done():
                    waiting.set_exception(error)
            return
        for (_, waiting), answer in zip(batch, answers, strict=True):
            if not waiting.done():
                waiting.set_result(answer)
