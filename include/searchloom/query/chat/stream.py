"""How an answer travels: our own server-sent events, OpenAI's chunks, or one document of either kind."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from typing import Any

from sse_starlette import ServerSentEvent

from searchloom.query.chat.schemas import (
    Broken,
    ChatAnswer,
    ChatCompletion,
    CompletionChoice,
    CompletionMessage,
    CompletionUsage,
    Delta,
    Done,
    Event,
    Passages,
)

NAMES: Mapping[type[Event], str] = {Passages: "passages", Delta: "delta", Done: "done", Broken: "error"}
"""Of the events that travel."""


async def compact(first: Event, rest: AsyncIterator[Event]) -> AsyncGenerator[ServerSentEvent, None]:
    """Events ``passages``, ``delta``..., ``done``; ``error`` where something broke in between."""
    yield _named(first)
    async for event in rest:
        yield _named(event)


async def openai(
    model: str, request_id: str, first: Event, rest: AsyncIterator[Event]
) -> AsyncGenerator[ServerSentEvent, None]:
    """Chunks as OpenAI's clients read them; what they do not know stands in ``searchloom``, first and last."""
    head = {
        "id": _id(request_id),
        "object": "chat.completion.chunk",
        "created": int(time.time()),
        "model": model,
    }
    yield _data(head | _choice({"role": "assistant", "content": ""}) | {"searchloom": first.model_dump(mode="json")})
    async for event in rest:
        if isinstance(event, Delta):
            yield _data(head | _choice({"content": event.text}))
        elif isinstance(event, Done):
            told = {"searchloom": event.model_dump(mode="json"), "usage": _usage(event).model_dump()}
            yield _data(head | _choice({}, finish="stop") | told)
        elif isinstance(event, Broken):
            yield _data({"error": {"message": event.message, "code": event.code, "type": "server_error"}})
            return
    yield ServerSentEvent(data="[DONE]")


def document(passages: Passages, done: Done) -> ChatAnswer:
    """The whole answer in our own form."""
    return ChatAnswer(**passages.model_dump(), **done.model_dump())


def completion(model: str, request_id: str, passages: Passages, done: Done) -> ChatCompletion:
    """The whole answer as OpenAI's clients read it."""
    return ChatCompletion(
        id=_id(request_id),
        created=int(time.time()),
        model=model,
        choices=[CompletionChoice(message=CompletionMessage(content=done.answer))],
        usage=_usage(done),
        searchloom=document(passages, done),
    )


def _named(event: Event) -> ServerSentEvent:
    return ServerSentEvent(event=NAMES[type(event)], data=event.model_dump_json())


def _data(chunk: dict[str, Any]) -> ServerSentEvent:
    return ServerSentEvent(data=json.dumps(chunk, ensure_ascii=False))


def _id(request_id: str) -> str:
    return f"chatcmpl-{request_id}"


def _choice(delta: dict[str, str], finish: str | None = None) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}


def _usage(done: Done) -> CompletionUsage:
    read, written = done.usage.prompt_tokens, done.usage.completion_tokens
    return CompletionUsage(prompt_tokens=read, completion_tokens=written, total_tokens=read + written)
