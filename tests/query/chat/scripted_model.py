"""A language model that says what the test tells it to, over DashScope's own wire: worse than any real one can be.

What a real model says is tested with the local cloud's; here the model lies, obeys documents, hangs and dies on demand.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

Messages = Sequence[dict[str, str]]
Says = Callable[[Messages], Sequence[str]]


@dataclass
class ScriptedModel:
    """``says`` is given the messages and returns the pieces of the answer."""

    says: Says = lambda _: ["Nothing."]
    pause_s: float = 0.0
    """Before each piece."""
    breaks_after: int | None = None
    """Pieces after which the connection is cut."""
    status: int = 200
    asked: list[Messages] = field(default_factory=list)
    left: threading.Event = field(default_factory=threading.Event)
    """Set when somebody has gone before the answer was over."""
    url: str = ""

    def reset(self) -> None:
        """Back to a model that says nothing of note."""
        self.says, self.pause_s, self.breaks_after, self.status = (lambda _: ["Nothing."]), 0.0, None, 200
        self.asked.clear()
        self.left.clear()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Serve one call."""
        body = await request.json()
        messages = body["input"]["messages"]
        self.asked.append(messages)
        if self.status != 200:
            return web.json_response({"code": "InternalError", "message": "told to fail"}, status=self.status)
        pieces = self.says(messages)
        if "event-stream" not in request.headers.get("accept", ""):
            return web.json_response(_event("".join(pieces), "stop"))
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        try:
            for number, piece in enumerate(pieces):
                await asyncio.sleep(self.pause_s)
                if number == self.breaks_after and request.transport:
                    request.transport.abort()
                    return response
                await response.write(_line(_event(piece, "null")))
            await response.write(_line(_event("", "stop")))
        except (ConnectionResetError, asyncio.CancelledError):
            self.left.set()
            raise
        return response


def _event(text: str, finish: str) -> dict[str, Any]:
    choice = {"message": {"role": "assistant", "content": text}, "finish_reason": finish}
    usage = {"input_tokens": 100, "output_tokens": 20, "total_tokens": 120}
    return {"output": {"choices": [choice]}, "usage": usage, "request_id": "r"}


def _line(event: dict[str, Any]) -> bytes:
    return f"id:1\nevent:result\n:HTTP_STATUS/200\ndata:{json.dumps(event)}\n\n".encode()


@contextmanager
def scripted_model() -> Iterator[ScriptedModel]:
    """Serve on a free port, in a thread of its own, while the block runs."""
    model = ScriptedModel()
    started = threading.Event()
    loop = asyncio.new_event_loop()

    async def serve() -> web.AppRunner:
        app = web.Application()
        app.router.add_post("/api/v1/services/aigc/text-generation/generation", model.answer)
        runner = web.AppRunner(app, handler_cancellation=True)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0, backlog=512)
        await site.start()
        model.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        return runner

    def run() -> None:
        asyncio.set_event_loop(loop)
        runner = loop.run_until_complete(serve())
        started.set()
        loop.run_forever()
        loop.run_until_complete(runner.cleanup())

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    assert started.wait(10)
    try:
        yield model
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
