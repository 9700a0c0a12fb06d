"""The local cloud's end of the language model's process: answers that come piece by piece and can be given up."""

from __future__ import annotations

import asyncio
import itertools
import logging
import threading
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from localcloud.dashscope.errors import DashScopeError, invalid_parameter
from localcloud.dashscope.pipes import ModelProcess

_log = logging.getLogger(__name__)
_TRIES = 2

_Hear = Callable[[dict[str, Any] | None], None]


@dataclass(frozen=True, slots=True)
class Question:
    """A conversation and how to answer it; ``adapter`` is a folder, a temperature of 0 takes the likeliest tokens."""

    messages: list[dict[str, str]]
    adapter: str | None = None
    max_tokens: int = 512
    temperature: float = 0.1
    top_p: float = 0.8
    top_k: int = 20
    repetition_penalty: float = 1.05
    seed: int = 1234
    stop: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Piece:
    """The next piece of an answer; ``finish`` is empty until the last, then ``stop`` or ``length``."""

    text: str
    finish: str
    read_tokens: int
    written_tokens: int


class LanguageModel:
    """Answers of the packaged language model; its process is started by the first question."""

    def __init__(self, cache: Path, log: Path) -> None:
        self._cache = cache
        self._log_path = log
        self._lock = threading.Lock()
        self._process: ModelProcess | None = None
        self._listeners: dict[int, _Hear] = {}
        self._numbers = itertools.count(1)
        self._closed = False

    async def speak(self, question: Question) -> AsyncGenerator[Piece, None]:
        """Yield the answer; closing the generator gives it up. Raises ``DashScopeError``."""
        for attempt in range(_TRIES):
            said = False
            async with aclosing(self._messages(question)) as messages:
                async for message in messages:
                    if message is None:
                        break
                    yield _piece(message)
                    said = True
                    if message["finish"]:
                        return
            if said or self._closed or attempt == _TRIES - 1:
                break
        text = f"The language model's process ended; {self._log_path} says why."
        raise DashScopeError(500, "InternalError", text)

    async def _messages(self, question: Question) -> AsyncGenerator[dict[str, Any] | None, None]:
        number = next(self._numbers)
        loop = asyncio.get_running_loop()
        heard: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()

        def hear(message: dict[str, Any] | None) -> None:
            # The loop may have ended meanwhile, and whoever waited with it.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(heard.put_nowait, message)

        process = await asyncio.to_thread(self._ask, number, hear, question)
        over = False
        try:
            while not over:
                message = await heard.get()
                over = message is None or message.get("finish") != ""
                yield message
        finally:
            self._listeners.pop(number, None)
            if not over:
                process.write({"id": number, "cancel": True})

    def close(self) -> None:
        """Stop the process, if there is one, and start none any more."""
        self._closed = True
        if self._process is not None:
            self._process.stop()

    def _ask(self, number: int, hear: _Hear, question: Question) -> ModelProcess:
        with self._lock:
            if self._closed:
                raise DashScopeError(503, "ServiceUnavailable", "The service is stopping.")
            self._listeners[number] = hear
            process = self._process
            if process is None or not process.running:
                process = ModelProcess("localcloud.dashscope.language_model", self._cache, self._log_path)
                self._process = process
                threading.Thread(target=self._listen, args=(process,), daemon=True).start()
        process.write({"id": number, **asdict(question)})
        return process

    def _listen(self, process: ModelProcess) -> None:
        while (message := process.read()) is not None:
            if (hear := self._listeners.get(message["id"])) is not None:
                hear(message)
        with self._lock:
            if self._process is process:
                self._process = None
            orphans = list(self._listeners.values())
        for hear in orphans:
            hear(None)


def _piece(message: dict[str, Any]) -> Piece:
    if "too_long" in message:
        raise invalid_parameter(f"Range of input length should be [1, {message['too_long']}]")
    if "failed" in message:
        raise DashScopeError(500, "InternalError", message["failed"])
    return Piece(message["text"], message["finish"], message["read"], message["written"])
