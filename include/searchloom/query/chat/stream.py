"""How an answer travels: our own server-sent events, OpenAI's chunks, or one document of either kind."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

from sse_starlette import ServerSentEvent

from searchloom.query.chat.schemas import Broken, ChatAnswer, Delta, Done, Event, Passages

_NAMES = {Passages: "passages", Delta: "delta", Done: "done", Broken: "error"}


async def compact(first: Event, rest: AsyncIterator[Event]) -> AsyncGenerator[ServerSentEvent, None]:
    """Events ``passages``, ``delta``..., ``done``; ``error`` where something broke in between."""
    yield _named(first)
    async for event in rest:
        yield _named(event)


async def openai(
    model: str, request_id: str, first: Event, rest: AsyncIterator[Event]
) -> AsyncGenerator[ServerSentEvent, None]:
    """Chunks as OpenAI's clients read them; what they do not know stands in ``searchloom``, first and last."""
    head = _head("chat.completion.chunk", model, request_id)
    yield _data(head | _choice({"role": "assistant", "content": ""}) | {"searchloom": first.model_dump(mode="json")})
    async for event in rest:
        if isinstance(event, Delta):
            yield _data(head | _choice({"content": event.text}))
        elif isinstance(event, Done):
            told = {"searchloom": event.model_dump(mode="json"), "usage": _usage(event)}
            yield _data(head | _choice({}, finish="stop") | told)
        elif isinstance(event, Broken):
            yield _data({"error": {"message": event.message, "code": event.code, "type": "server_error"}})
            return
    yield ServerSentEvent(data="[DONE]")


def document(passages: Passages, done: Done) -> ChatAnswer:
    """The whole answer in our own form."""
    return ChatAnswer(**passages.model_dump(), **done.model_dump())


def completion(model: str, request_id: str, passages: Passages, done: Done) -> dict[str, Any]:
    """The whole answer as OpenAI's clients read it."""
    choice = {"index": 0, "message": {"role": "assistant", "content": done.answer}, "finish_reason": "stop"}
    told = document(passages, done).model_dump(mode="json")
    return _head("chat.completion", model, request_id) | {
        "choices": [choice],
        "usage": _usage(done),
        "searchloom": told,
    }


def _named(event: Event) -> ServerSentEvent:
    return ServerSentEvent(event=_NAMES[type(event)], data=event.model_dump_json())


def _data(chunk: dict[str, Any]) -> ServerSentEvent:
    return ServerSentEvent(data=json.dumps(chunk, ensure_ascii=False))


def _head(kind: str, model: str, request_id: str) -> dict[str, Any]:
    return {"id": f"chatcmpl-{request_id}", "object": kind, "created": int(time.time()), "model": model}


def _choice(delta: dict[str, str], finish: str | None = None) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}


def _usage(done: Done) -> dict[str, int]:
    read, written = done.usage.prompt_tokens, done.usage.completion_tokens
    return {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written}
