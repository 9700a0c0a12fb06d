"""Small HTTP calls in large numbers, on an event loop: connections stay open, time is bounded, traces travel along.

HTTP/1.1 as the services of our settings speak it, parsed by llhttp (httptools): no redirects, no cookies, no
compression, answers that say how long they are. A search makes three calls, and a client for everything takes five
times as long for each.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from base64 import b64encode
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple, cast
from urllib.parse import urlsplit

from httptools import HttpParserError, HttpResponseParser

from searchloom import tracing

_IDLE_S = 50.0
"""An idle connection is kept for so long, which is shorter than the engines and services do."""


class Unanswered(Exception):
    """No answer came: refused, broken off, or not in time; the text says which."""


class HttpCalls:
    """Connections to whoever is called: at most ``connections`` at once, opened when they are needed."""

    def __init__(self, *, connections: int, login: tuple[str, str] | None = None, ca_certs: Path | None = None) -> None:
        self._room = asyncio.Semaphore(connections)
        self._fixed = {"Authorization": f"Basic {b64encode(':'.join(login).encode()).decode()}"} if login else {}
        self._ca_certs = ca_certs
        self._trusted: ssl.SSLContext | None = None
        self._idle: dict[_Origin, list[_Connection]] = defaultdict(list)  # the one used last at the end

    async def send(
        self, method: str, url: str, body: bytes | None, headers: Mapping[str, str], *, timeout_s: float
    ) -> tuple[int, bytes]:
        """Send a request that may be sent twice; return status and body of the answer, or raise ``Unanswered``."""
        origin, path = _parts(url)
        request = _request(method, origin, path, body or b"", {**headers, **self._fixed, **tracing.outgoing()})
        try:
            async with asyncio.timeout(timeout_s), self._room:
                return await self._asked(origin, request)
        except TimeoutError as error:
            raise Unanswered(f"nothing came within {timeout_s:.2f} s") from error
        except OSError as error:
            raise Unanswered(str(error) or type(error).__name__) from error

    async def close(self) -> None:
        """Let go of the connections."""
        for waiting in self._idle.values():
            for connection in waiting:
                connection.close()
        self._idle.clear()

    async def _asked(self, origin: _Origin, request: bytes) -> tuple[int, bytes]:
        connection = self._waiting(origin) or await self._open(origin)
        try:
            answer = await connection.ask(request)
        except ConnectionError:  # it had been idle for too long
            connection = await self._open(origin)
            answer = await connection.ask(request)
        if connection.is_open:
            connection.idle_since = time.monotonic()
            self._idle[origin].append(connection)
        return answer

    def _waiting(self, origin: _Origin) -> _Connection | None:
        """A connection that is open and was used a short time ago; the others are closed."""
        waiting = self._idle[origin]
        while waiting:
            connection = waiting.pop()
            if connection.is_open and time.monotonic() - connection.idle_since < _IDLE_S:
                return connection
            connection.close()
        return None

    async def _open(self, origin: _Origin) -> _Connection:
        if origin.encrypted and self._trusted is None:
            self._trusted = ssl.create_default_context(cafile=str(self._ca_certs) if self._ca_certs else None)
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(
            _Connection, origin.host, origin.port, ssl=self._trusted if origin.encrypted else None
        )
        return connection


class _Connection(asyncio.Protocol):
    """One connection, for one request at a time; one whose answer nobody waited for is closed, never used again."""

    _transport: asyncio.Transport  # from ``connection_made`` on, which comes before everything else

    def __init__(self) -> None:
        self.idle_since = 0.0
        self._parser = HttpResponseParser(self)
        self._answer: asyncio.Future[tuple[int, bytes]] | None = None
        self._body: list[bytes] = []

    @property
    def is_open(self) -> bool:
        """Whether another request may be sent."""
        return not self._transport.is_closing()

    async def ask(self, request: bytes) -> tuple[int, bytes]:
        """Send a request and return status and body; ``ConnectionError`` where the connection ends before that."""
        self._answer, self._body = asyncio.get_running_loop().create_future(), []
        self._transport.write(request)
        try:
            return await self._answer
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End it."""
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See ``asyncio.Protocol``."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """See ``asyncio.Protocol``."""
        try:
            self._parser.feed_data(data)
        except HttpParserError as error:
            self._fail(ConnectionError(f"what came is no HTTP: {error}"))
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """See ``asyncio.Protocol``."""
        self._fail(exc or ConnectionResetError("the connection was closed before the answer was whole"))

    def on_body(self, part: bytes) -> None:
        """See ``httptools.HTTPProtocol``."""
        self._body.append(part)

    def on_message_complete(self) -> None:
        """See ``httptools.HTTPProtocol``."""
        status = self._parser.get_status_code()
        if status < 200:  # the answer itself is still to come
            return
        if not self._parser.should_keep_alive():
            self._transport.close()
        if self._answer is None or self._answer.done():  # nobody has asked
            self.close()
        else:
            self._answer.set_result((status, b"".join(self._body)))

    def _fail(self, error: Exception) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error)


class _Origin(NamedTuple):
    encrypted: bool
    host: str
    port: int
    name: str  # as the header Host says it


def _parts(url: str) -> tuple[_Origin, str]:
    """Where to connect to, and what to ask for there."""
    try:
        split = urlsplit(url)
        port = split.port
    except ValueError as error:
        raise Unanswered(f"{url!r} is no address: {error}") from error
    if split.scheme not in {"http", "https"} or not split.hostname:
        raise Unanswered(f"{url!r} is no address; it must begin with http:// or https:// and a host")
    encrypted = split.scheme == "https"
    origin = _Origin(encrypted, split.hostname, port or (443 if encrypted else 80), split.netloc)
    path = split.path or "/"
    return origin, f"{path}?{split.query}" if split.query else path


def _request(method: str, origin: _Origin, path: str, body: bytes, headers: Mapping[str, str]) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", f"Host: {origin.name}", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    if any("\r" in line or "\n" in line for line in lines):
        raise ValueError(f"a header of the request to {origin.name} holds a line break")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body
