"""How an answer is said: DashScope's own form and that of OpenAI, whole or as server-sent events."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from localcloud.dashscope.errors import DashScopeError
from localcloud.dashscope.speaking import Piece, Question


class Form(Protocol):
    """One answer's form; ``text`` is all of it so far, ``piece`` what came last."""

    def whole(self, text: str, piece: Piece) -> dict[str, Any]:
        """The JSON of a whole answer."""

    def events(self, text: str, piece: Piece, request_id: str) -> Iterable[bytes]:
        """The events that say a piece, with the last piece also those that end the stream."""

    def failure(self, error: DashScopeError, request_id: str) -> bytes:
        """The event that says that there will be no more."""


@dataclass(slots=True)
class NativeForm:
    """``body`` makes ``output`` and ``usage``; the text of an event is all so far unless ``incremental``."""

    body: Callable[[str, Piece], dict[str, Any]]
    incremental: bool
    _number: int = 0

    def whole(self, text: str, piece: Piece) -> dict[str, Any]:
        """As ``Form``."""
        return self.body(text, piece)

    def events(self, text: str, piece: Piece, request_id: str) -> Iterable[bytes]:
        """As ``Form``."""
        said = self.body(piece.text if self.incremental else text, piece)
        self._number += 1
        yield _event(self._number, "result", 200, {**said, "request_id": request_id})

    def failure(self, error: DashScopeError, request_id: str) -> bytes:
        """As ``Form``."""
        return error_event(error, request_id, self._number + 1)


def error_event(error: DashScopeError, request_id: str, number: int = 1) -> bytes:
    """An error in DashScope's own form, the ``number``-th event of a stream."""
    return _event(number, "error", error.meant_status, error.body(request_id, compatible=False))


def _event(number: int, kind: str, status: int, data: Mapping[str, Any]) -> bytes:
    said = json.dumps(data, ensure_ascii=False)
    return f"id:{number}\nevent:{kind}\n:HTTP_STATUS/{status}\ndata:{said}\n\n".encode()


def message_body(text: str, piece: Piece) -> dict[str, Any]:
    """``result_format`` message."""
    choice = {"finish_reason": piece.finish or "null", "message": {"role": "assistant", "content": text}}
    return {"output": {"choices": [choice]}, "usage": _native_usage(piece)}


def text_body(text: str, piece: Piece) -> dict[str, Any]:
    """``result_format`` text."""
    return {"output": {"text": text, "finish_reason": piece.finish or "null"}, "usage": _native_usage(piece)}


def _native_usage(piece: Piece) -> dict[str, int]:
    total = piece.read_tokens + piece.written_tokens
    return {"input_tokens": piece.read_tokens, "output_tokens": piece.written_tokens, "total_tokens": total}


@dataclass(slots=True)
class CompatibleForm:
    """OpenAI's chat completions; ``counted`` asks for the tokens at the end of a stream."""

    model: str
    counted: bool
    _created: int = field(default_factory=lambda: int(time.time()))
    _begun: bool = False

    def whole(self, text: str, piece: Piece) -> dict[str, Any]:
        """As ``Form``."""
        message = {"role": "assistant", "content": text}
        choice = {"index": 0, "message": message, "finish_reason": piece.finish, "logprobs": None}
        named = {"object": "chat.completion", "created": self._created, "model": self.model}
        return {**named, "choices": [choice], "usage": _compatible_usage(piece)}

    def events(self, text: str, piece: Piece, request_id: str) -> Iterable[bytes]:
        """As ``Form``."""
        del text
        if not self._begun:
            self._begun = True
            yield self._chunk([_choice({"role": "assistant", "content": ""}, None)], None, request_id)
        if piece.text:
            yield self._chunk([_choice({"content": piece.text}, None)], None, request_id)
        if piece.finish:
            yield self._chunk([_choice({"content": ""}, piece.finish)], None, request_id)
            if self.counted:
                yield self._chunk([], _compatible_usage(piece), request_id)
            yield b"data: [DONE]\n\n"

    def failure(self, error: DashScopeError, request_id: str) -> bytes:
        """As ``Form``."""
        return _data(error.body(request_id, compatible=True))

    def _chunk(self, choices: list[dict[str, Any]], usage: dict[str, Any] | None, request_id: str) -> bytes:
        named = {"object": "chat.completion.chunk", "created": self._created, "model": self.model}
        chunk = {"id": f"chatcmpl-{request_id}", **named, "system_fingerprint": None}
        return _data({**chunk, "choices": choices, "usage": usage})


def _choice(delta: dict[str, Any], finish: str | None) -> dict[str, Any]:
    return {"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}


def _data(content: Mapping[str, Any]) -> bytes:
    return f"data: {json.dumps(content, ensure_ascii=False)}\n\n".encode()


def _compatible_usage(piece: Piece) -> dict[str, int]:
    total = piece.read_tokens + piece.written_tokens
    return {"prompt_tokens": piece.read_tokens, "completion_tokens": piece.written_tokens, "total_tokens": total}


@dataclass(frozen=True, slots=True)
class Speech:
    """An answer that is to be made: the question, its form, and who wants to know the whole text before it is out."""

    question: Question
    form: Form
    stream: bool
    remember: Callable[[str], None] | None = None
