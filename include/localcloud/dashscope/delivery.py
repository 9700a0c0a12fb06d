"""Brings an answer to its client as it is made, and gives it up when the client leaves."""

from __future__ import annotations

import asyncio
import logging
from contextlib import aclosing, suppress
from pathlib import Path
from typing import Any

from localcloud.dashscope.errors import DashScopeError
from localcloud.dashscope.forms import Speech
from localcloud.dashscope.speaking import LanguageModel
from localcloud.faults import Receive, Send

_log = logging.getLogger(__name__)
_PIECE_BYTES = 1024 * 1024


async def deliver(
    speech: Speech, model: LanguageModel, receive: Receive, send: Send, request_id: str
) -> dict[str, Any] | None:
    """Return a whole answer's JSON, or send a stream and return None; None also when the client left.

    Raises ``DashScopeError`` while nothing has been sent.
    """
    speak = _stream(speech, model, send, request_id) if speech.stream else _whole(speech, model)
    speaking = asyncio.ensure_future(speak)
    leaving = asyncio.ensure_future(_left(receive))
    try:
        await asyncio.wait({speaking, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if speaking.done():
            return speaking.result()
        _log.info("The client of request %s left; its answer is given up.", request_id)
        return None
    finally:
        leaving.cancel()
        speaking.cancel()
        with suppress(asyncio.CancelledError, DashScopeError):
            await speaking


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _whole(speech: Speech, model: LanguageModel) -> dict[str, Any]:
    text = ""
    async with aclosing(model.speak(speech.question)) as pieces:
        async for piece in pieces:
            text += piece.text
            if piece.finish:
                await _remember(speech, text)
                return speech.form.whole(text, piece)
    raise DashScopeError(500, "InternalError", "The language model ended without an answer.")


async def _stream(speech: Speech, model: LanguageModel, send: Send, request_id: str) -> None:
    text, begun = "", False
    try:
        async with aclosing(model.speak(speech.question)) as pieces:
            async for piece in pieces:
                text += piece.text
                if piece.finish:
                    await _remember(speech, text)
                if not begun:
                    begun = True
                    await send_stream_start(send, request_id)
                for event in speech.form.events(text, piece, request_id):
                    await send({"type": "http.response.body", "body": event, "more_body": True})
    except DashScopeError as error:
        if not begun:
            raise
        event = speech.form.failure(error, request_id)
        await send({"type": "http.response.body", "body": event, "more_body": True})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _remember(speech: Speech, text: str) -> None:
    if speech.remember is not None:
        await asyncio.to_thread(speech.remember, text)


async def send_event(send: Send, event: bytes, request_id: str) -> None:
    """Answer with a stream of one event."""
    await send_stream_start(send, request_id)
    await send({"type": "http.response.body", "body": event, "more_body": False})


async def send_file(send: Send, path: Path, request_id: str) -> None:
    """Answer with the bytes of a file."""
    size = (await asyncio.to_thread(path.stat)).st_size
    headers = [
        (b"content-type", b"application/octet-stream"),
        (b"content-length", str(size).encode()),
        (b"x-request-id", request_id.encode()),
    ]
    with await asyncio.to_thread(path.open, "rb") as file:
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        while piece := await asyncio.to_thread(file.read, _PIECE_BYTES):
            await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def send_stream_start(send: Send, request_id: str) -> None:
    """Begin an answer of server-sent events."""
    headers = [
        (b"content-type", b"text/event-stream;charset=UTF-8"),
        (b"cache-control", b"no-cache"),
        (b"x-request-id", request_id.encode()),
    ]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
