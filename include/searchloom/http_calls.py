"""Small HTTP calls in large numbers, on an event loop: connections stay open, time is bounded, traces travel along."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from pathlib import Path

import aiohttp
from yarl import URL

from searchloom import tracing

_IDLE_S = 50.0
"""An idle connection is kept for so long, which is shorter than the engines and services do."""


class Unanswered(Exception):
    """No answer came: refused, broken off, or not in time; the text says which."""


class HttpCalls:
    """Connections to whoever is called. The first call opens them, on the loop that runs then."""

    def __init__(self, *, connections: int, login: tuple[str, str] | None = None, ca_certs: Path | None = None) -> None:
        self._connections = connections
        self._fixed = {"Authorization": aiohttp.encode_basic_auth(*login)} if login else {}
        self._ca_certs = ca_certs
        self._opened: aiohttp.ClientSession | None = None

    async def send(
        self, method: str, url: str, body: bytes | None, headers: Mapping[str, str], *, timeout_s: float
    ) -> tuple[int, bytes]:
        """Send a request that may be sent twice; return status and body of the answer, or raise ``Unanswered``."""
        whole = {**headers, **self._fixed, **tracing.outgoing()}
        try:
            try:
                return await self._once(method, url, body, whole, timeout_s)
            except (aiohttp.ServerDisconnectedError, ConnectionResetError):  # it had been idle for too long
                return await self._once(method, url, body, whole, timeout_s)
        except TimeoutError as error:
            raise Unanswered(f"nothing came within {timeout_s:.2f} s") from error
        except (aiohttp.ClientError, OSError) as error:
            raise Unanswered(str(error) or type(error).__name__) from error

    async def close(self) -> None:
        """Let go of the connections."""
        if self._opened is not None:
            await self._opened.close()

    async def _once(
        self, method: str, url: str, body: bytes | None, headers: Mapping[str, str], timeout_s: float
    ) -> tuple[int, bytes]:
        async with self._session().request(
            method,
            URL(url, encoded=True),
            data=body,
            headers=headers,
            timeout=aiohttp.ClientTimeout(total=timeout_s),
            allow_redirects=False,
        ) as response:
            return response.status, await response.read()

    def _session(self) -> aiohttp.ClientSession:
        if self._opened is None:
            trust = ssl.create_default_context(cafile=str(self._ca_certs)) if self._ca_certs else True
            self._opened = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=self._connections, ssl=trust, keepalive_timeout=_IDLE_S),
                cookie_jar=aiohttp.DummyCookieJar(),  # nobody who is called has a session with us
                skip_auto_headers=("User-Agent", "Accept-Encoding"),  # compressing costs more than it saves here
            )
        return self._opened
