"""Around every request: an id, a bound on the body, an access log line, and no stack trace on the way out."""

from __future__ import annotations

import json
import logging
import re
import time
import uuid
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from searchloom import tracing
from searchloom.query import audit, logs, metrics
from searchloom.query.failures import INTERNAL, answer

log = logging.getLogger(__name__)
access = logging.getLogger("searchloom.query.access")
"""One JSON object a line."""

MAX_BODY = 64 * 1024  # bytes; the longest query, escaped, fits several times
_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_HEADER = b"x-request-id"
_QUIET = frozenset({"/healthz", "/readyz", "/metrics"})  # asked every few seconds by whatever watches us


class RequestEnvelope:
    """ASGI middleware; plain, because Starlette's BaseHTTPMiddleware costs a task and a queue for each request."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        # The header is read by hand: a mapping of all of them would be made for one.
        trace = next((value for name, value in scope["headers"] if name == b"traceparent"), b"")
        with tracing.serving(f"{scope['method']} {scope['path']}", {"traceparent": trace.decode("latin-1")}):
            await self._request(scope, receive, send)

    async def _request(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        request_id = _request_id(scope)
        scope.setdefault("state", {})["request_id"] = request_id
        logs.request_id.set(request_id)
        status = 0

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message = {**message, "headers": [*message["headers"], (_HEADER, request_id.encode())]}
            await send(message)

        try:
            await self._serve(scope, receive, sending)
        except Exception:
            log.exception("request %s to %s failed", request_id, scope["path"])
            if not status:
                await answer(500, "internal", INTERNAL, request_id)(scope, receive, sending)
        finally:
            seconds = time.perf_counter() - started
            metrics.request(getattr(scope.get("route"), "path", "other"), scope["method"], status, seconds)
            _note(scope, status, request_id, seconds * 1000)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] in {"GET", "HEAD"}:
            await self._app(scope, receive, send)
            return
        body = await _body(receive)
        if body is None:
            sentence = f"the body is larger than {MAX_BODY} bytes; send a shorter one"
            await answer(413, "too_large", sentence, scope["state"]["request_id"])(scope, receive, send)
            return
        messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def replay() -> Message:
            return messages.pop() if messages else await receive()

        await self._app(scope, replay, send)


async def _body(receive: Receive) -> bytes | None:
    """Read the body whole; None when it is too large."""
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if len(body) > MAX_BODY:
            return None
        if not message.get("more_body", False):
            return bytes(body)


def _request_id(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == _HEADER and _ID.fullmatch(text := value.decode("latin-1")):
            return str(text)
    return uuid.uuid4().hex


def _note(scope: Scope, status: int, request_id: str, took_ms: float) -> None:
    if scope["path"] in _QUIET and status == 200:
        return
    facts = scope["state"].get("access", {})
    audit.note(scope["path"], status, request_id, facts)
    line: dict[str, Any] = {
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "method": scope["method"],
        "path": scope["path"],
        "status": status,
        "ms": round(took_ms, 1),
        "request_id": request_id,
        **facts,
    }
    access.info(json.dumps(line, ensure_ascii=False))
