"""The reading side's connection: plain HTTP, for both engines speak the same of it.

The engines' own clients are for loading: importing one costs a second, and each of its calls a millisecond, which is
much of what a search takes.
"""

from __future__ import annotations

import ssl
from typing import Any

import aiohttp
from pydantic_core import from_json, to_json
from yarl import URL

from searchloom.engines.wire import failure, headers
from searchloom.settings import Engine, EngineName

CONNECTIONS = 32
_IDLE_S = 50.0  # both engines keep an idle connection for longer than this


class HttpWire:
    """One engine over HTTP/1.1; see ``AsyncWire``. The first request opens its session on the running loop."""

    def __init__(self, engine: EngineName, settings: Engine) -> None:
        self._engine = engine
        self._settings = settings
        self._url = settings.url.rstrip("/")
        self._opened: aiohttp.ClientSession | None = None

    async def call(self, method: str, path: str, body: dict[str, Any] | None = None, *, timeout_s: float) -> Any:
        """Send one request; see ``AsyncWire``. All that is asked here may be asked twice."""
        sent = None if body is None else to_json(body)
        try:
            try:
                status, answer = await self._send(method, path, sent, timeout_s)
            except (aiohttp.ServerDisconnectedError, ConnectionResetError):  # kept open by us, closed by the engine
                status, answer = await self._send(method, path, sent, timeout_s)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:  # a TimeoutError is without words
            reason = str(error) or f"nothing came within {timeout_s:.2f} s"
            raise failure(self._engine, self._url, status=None, answer=reason, request=f"{method} {path}") from error
        return self._document(status, answer, f"{method} {path}")

    def _document(self, status: int, answer: bytes, request: str) -> Any:
        try:
            document = from_json(answer) if answer else {}
        except ValueError as error:
            words = answer[:300].decode("utf-8", "replace")
            told = None if status < 300 else status  # an answer that is none
            raise failure(self._engine, self._url, status=told, answer=words, request=request) from error
        if status >= 300:
            raise failure(self._engine, self._url, status=status, answer=document, request=request)
        return document

    async def close(self) -> None:
        """Let go of the connections."""
        if self._opened is not None:
            await self._opened.close()

    async def _send(self, method: str, path: str, body: bytes | None, timeout_s: float) -> tuple[int, bytes]:
        async with self._session().request(
            method,
            URL(self._url + path, encoded=True),
            data=body,
            headers=headers(body) | ({"content-type": "application/json"} if body else {}),
            timeout=aiohttp.ClientTimeout(total=timeout_s),
            allow_redirects=False,
        ) as response:
            return response.status, await response.read()

    def _session(self) -> aiohttp.ClientSession:
        if self._opened is None:
            one = self._settings
            trust = ssl.create_default_context(cafile=str(one.ca_certs)) if one.ca_certs else True
            self._opened = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=CONNECTIONS, ssl=trust, keepalive_timeout=_IDLE_S),
                auth=aiohttp.BasicAuth(one.username, one.password.get_secret_value()) if one.username else None,
                skip_auto_headers=("User-Agent",),
            )
        return self._opened
