"""Chat: a question in, an answer with citations out, while it is written."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from functools import partial
from typing import Annotated, Any, TypeVar

from fastapi import Depends, FastAPI, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from sse_starlette import EventSourceResponse

from searchloom.query import arms, failures
from searchloom.query.auth import Caller
from searchloom.query.chat import documented, stream
from searchloom.query.chat.running import Running
from searchloom.query.chat.schemas import ChatRequest, Done, Event, Passages
from searchloom.query.deadline import Deadline
from searchloom.query.events.expose import shown
from searchloom.query.parts import Parts, caller_of, parts_of
from searchloom.release.document import Release

PING_S = 15
_LOOK_S = 0.25  # how often somebody who waits for a whole answer is looked for
_T = TypeVar("_T")

_DOCUMENTED: failures.Documented = {
    200: documented.answers(),
    **failures.of(400, 401, 404, 413, 422, 429, 500, 503, 504),
}


def add(app: FastAPI) -> None:
    """Add ``POST /v1/chat``."""

    @app.post("/v1/chat", responses=_DOCUMENTED, response_class=JSONResponse, tags=["chat"])
    async def chat(
        request: Request,
        body: ChatRequest,
        parts: Annotated[Parts, Depends(parts_of)],
        caller: Annotated[Caller, Depends(caller_of)],
    ) -> Response:
        """Answer a question from the documents that the caller may see, with citations that were checked."""
        channels, settings = parts.channels, parts.settings
        release = parts.releases.live(body.corpus)
        request.state.access |= {"corpus": body.corpus}
        deadline = Deadline.after(settings.query.deadline_ms / 1000)
        request_id = str(request.state.request_id)
        mine = arms.dealt(settings.experiment, caller)
        body = arms.in_arm(body, mine)
        make = partial(channels.chat.answer, body, release, caller, deadline)
        running = Running(make, channels.chats.enter(caller), request_id)
        first = await running.first()
        _expose(parts, caller, release, first, mine.name if mine else None)
        model = f"searchloom-{body.corpus}"
        if not body.stream:
            return await _whole(request, running, first, body, model)
        rest = running.rest()
        compact = body.format == "compact"
        events = stream.compact(first, rest) if compact else stream.openai(model, request_id, first, rest)
        return EventSourceResponse(events, ping=PING_S, send_timeout=settings.chat.send_timeout_s)


def _expose(parts: Parts, caller: Caller, release: Release, first: Event, arm: str | None) -> None:
    if parts.settings.events.expose and isinstance(first, Passages):
        parts.channels.events.note(
            shown(
                [passage.doc_id for passage in first.passages],
                caller,
                corpus=release.corpus,
                release=release.number,
                scene="chat",
                trace_id=first.trace_id,
                query=first.question,
                arm=arm,
            )
        )


async def _whole(request: Request, running: Running, first: Event, body: ChatRequest, model: str) -> Response:
    events = [first, *await _while_there(request, running.whole())]
    passages = next(event for event in events if isinstance(event, Passages))
    done = next(event for event in events if isinstance(event, Done))
    request.state.access |= {"degraded": done.degraded}
    if body.format == "openai":
        answer: BaseModel = stream.completion(model, str(request.state.request_id), passages, done)
    else:
        answer = stream.document(passages, done)
    return Response(answer.model_dump_json(), media_type="application/json")


async def _while_there(request: Request, doing: Coroutine[Any, Any, _T]) -> _T:
    """Await something, unless the client leaves before it is done: then it is stopped."""
    task = asyncio.create_task(doing)
    try:
        while not (await asyncio.wait({task}, timeout=_LOOK_S))[0]:
            if await request.is_disconnected():
                raise asyncio.CancelledError
        return task.result()
    finally:
        task.cancel()
