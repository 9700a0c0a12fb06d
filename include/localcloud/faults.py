"""Misbehaviour on demand, so that tests can see how clients bear it."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import stat
import threading
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, cast

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]
Receive = Callable[[], Awaitable[Message]]
Kind = Literal["429", "503", "hidden_429", "slow", "cut", "lost_answer", "failed_job"]

KINDS: tuple[Kind, ...] = ("429", "503", "hidden_429", "slow", "cut", "lost_answer", "failed_job")
# Long enough for the server to hand half an answer to the kernel before the connection goes.
_FLUSH_S = 0.1
# Passed on of an answer whose length nobody knows before it is cut.
_PIECES = 2


@dataclass(slots=True)
class Fault:
    """Misbehave on the next ``count`` requests for an action.

    429 and 503 are refusals in the service's own words, before anything is done; ``hidden_429`` is one inside HTTP 200,
    which only DashScope does. ``slow`` waits ``delay_s`` seconds. ``cut`` closes the connection half-way through the
    answer, after two pieces of one whose length is not known. ``lost_answer`` does the work and closes the connection
    without an answer. ``failed_job`` is for services that run jobs: the job that the request starts is to fail.
    """

    service: str
    action: str
    kind: Kind
    count: int = 1
    delay_s: float = 0.0

    def spoil(self, scope: Scope, send: Send) -> Send:
        """The ``send`` of a request that this fault befalls."""
        if self.kind == "lost_answer":
            return _Cutter(scope, send, keep=0.0)
        if self.kind == "cut":
            return _Cutter(scope, send, keep=0.5)
        return send


class _Cutter:
    """Passes on a share of the body, then closes the client's connection and swallows the rest."""

    def __init__(self, scope: Scope, send: Send, *, keep: float) -> None:
        # The server gives the port as text.
        self._client: tuple[str, int] = (scope["client"][0], int(scope["client"][1]))
        self._send = send
        self._keep = keep
        self._left = 0
        self._pieces = 0
        self._cut = False

    async def __call__(self, message: Message) -> None:
        if self._cut:
            return
        if not self._keep:
            await self._close()
        elif message["type"] == "http.response.start":
            length = next((int(value) for name, value in message["headers"] if name == b"content-length"), None)
            self._pieces = _PIECES if length is None else 0
            self._left = int((length or 0) * self._keep)
            await self._send(message)
        elif self._pieces:
            self._pieces -= 1
            await self._send({**message, "more_body": True})
            if not self._pieces:
                await self._close()
        else:
            body = message.get("body", b"")[: self._left]
            self._left -= len(body)
            await self._send({"type": "http.response.body", "body": body, "more_body": True})
            if not self._left:
                await self._close()

    async def _close(self) -> None:
        self._cut = True
        await asyncio.sleep(_FLUSH_S)
        _shut_down(self._client)


def _shut_down(client: tuple[str, int]) -> None:
    """Shut the connection to ``client`` down: ASGI has no word for it, so look the socket up in this process."""
    for name in os.listdir("/dev/fd"):  # noqa: PTH208 - descriptors, not files
        try:
            if stat.S_ISSOCK(os.fstat(int(name)).st_mode):
                _shut_down_if_connected_to(client, os.dup(int(name)))
        except OSError:
            # Closed meanwhile, or a socket that is not connected.
            continue


def _shut_down_if_connected_to(client: tuple[str, int], descriptor: int) -> None:
    with socket.socket(fileno=descriptor) as connection:
        if connection.family in {socket.AF_INET, socket.AF_INET6} and connection.getpeername()[:2] == client:
            connection.shutdown(socket.SHUT_RDWR)


class Faults:
    """The faults that are waiting, and their HTTP interface at ``/_faults``."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: list[Fault] = []

    def take(self, service: str, action: str) -> Fault | None:
        """The fault that befalls this request, if any; it is counted down."""
        with self._lock:
            for fault in self._waiting:
                if fault.service == service and fault.action in {action, "*"}:
                    fault.count -= 1
                    if fault.count <= 0:
                        self._waiting.remove(fault)
                    return fault
        return None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """POST adds a fault, GET lists them, DELETE clears them."""
        status = 200
        if scope["method"] == "POST":
            status = await self._add(receive)
        elif scope["method"] == "DELETE":
            with self._lock:
                self._waiting.clear()
        elif scope["method"] != "GET":
            status = 405
        with self._lock:
            body = {"faults": [asdict(fault) for fault in self._waiting], "kinds": KINDS}
        await send_json(send, status, body)

    async def _add(self, receive: Receive) -> int:
        body, more = b"", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        try:
            asked = json.loads(body)
            fault = Fault(
                service=str(asked["service"]),
                action=str(asked["action"]),
                kind=cast("Kind", asked["kind"]),
                count=int(asked.get("count", 1)),
                delay_s=float(asked.get("delay_s", 0)),
            )
        except (ValueError, KeyError, TypeError):
            return 400
        if fault.kind not in KINDS or fault.count < 1 or fault.delay_s < 0:
            return 400
        with self._lock:
            self._waiting.append(fault)
        return 200


async def send_json(send: Send, status: int, content: object) -> None:
    """Answer with a JSON document."""
    body = json.dumps(content).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})
