"""The reading side's connection: plain HTTP, for both engines speak the same of it.

The engines' own clients are for loading: importing one costs a second, and each of its calls a millisecond, which is
much of what a search takes.
"""

from __future__ import annotations

from typing import Any

from pydantic_core import from_json, to_json

from searchloom import tracing
from searchloom.engines.wire import Read, failure, headers
from searchloom.http_calls import HttpCalls, Unanswered
from searchloom.settings import Engine, EngineName

CONNECTIONS = 64


class HttpWire:
    """One engine over HTTP/1.1; see ``AsyncWire``."""

    def __init__(self, engine: EngineName, settings: Engine) -> None:
        self._engine = engine
        self._url = settings.url.rstrip("/")
        login = (settings.username, settings.password.get_secret_value()) if settings.username else None
        self._calls = HttpCalls(connections=CONNECTIONS, login=login, ca_certs=settings.ca_certs)

    async def call(
        self, method: str, path: str, body: dict[str, Any] | None = None, *, timeout_s: float, read: Read = from_json
    ) -> Any:
        """Send one request; see ``AsyncWire``. All that is asked here may be asked twice."""
        sent = None if body is None else to_json(body)
        with tracing.calling(f"{self._engine} {method} {path}"):
            try:
                status, answer = await self._calls.send(
                    method, self._url + path, sent, headers(body), timeout_s=timeout_s
                )
            except Unanswered as error:
                raise failure(
                    self._engine, self._url, status=None, answer=str(error), request=f"{method} {path}"
                ) from error
        return self._document(status, answer, f"{method} {path}", read if status < 300 else from_json)

    def _document(self, status: int, answer: bytes, request: str, read: Read) -> Any:
        try:
            document = read(answer) if answer else {}
        except ValueError as error:
            words = answer[:300].decode("utf-8", "replace")
            told = None if status < 300 else status  # an answer that is none
            raise failure(self._engine, self._url, status=told, answer=words, request=request) from error
        if status >= 300:
            raise failure(self._engine, self._url, status=status, answer=document, request=request)
        return document

    async def close(self) -> None:
        """Let go of the connections."""
        await self._calls.close()
