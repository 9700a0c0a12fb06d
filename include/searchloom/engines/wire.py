"""What both dialects need of an HTTP connection, and how an engine's answer becomes one of our errors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from pydantic_core import from_json

from searchloom.errors import ServiceConflict, ServiceError, ServiceNotFound, ServiceRefused, ServiceUnavailable
from searchloom.settings import EngineName

TRANSIENT_STATUS = frozenset({429, 500, 502, 503, 504})
LOAD_TIMEOUT_S = 120.0
"""How long one request of the loading side may take."""

_TITLES = {"elasticsearch": "Elasticsearch", "opensearch": "OpenSearch"}


Read = Callable[[bytes], Any]


class RequestTooLarge(ServiceRefused):
    """The engine, or a proxy before it, takes no body of this size (413)."""


class Wire(Protocol):
    """A blocking connection, made from the engine's official client with the client's own retries off.

    ``body`` is a JSON-able dict, or ready bytes of NDJSON. Raises the ``Service...`` errors.
    """

    def call(
        self, method: str, path: str, body: dict[str, Any] | bytes | None = None, *, params: Mapping[str, str] = ...
    ) -> Any:
        """Send one request and return the parsed answer."""

    def close(self) -> None:
        """Let go of the connections."""


class AsyncWire(Protocol):
    """The same for an event loop."""

    async def call(
        self, method: str, path: str, body: dict[str, Any] | None = None, *, timeout_s: float, read: Read = from_json
    ) -> Any:
        """Send one request and return the parsed answer, or raise ``ServiceUnavailable`` after ``timeout_s``.

        ``read`` parses an answer that is no refusal; it raises ``ValueError`` for what it cannot read.
        """

    async def close(self) -> None:
        """Let go of the connections."""


def headers(body: dict[str, Any] | bytes | None) -> dict[str, str]:
    """Return the content headers for a body; the clients do not set them for every method."""
    kind = "application/x-ndjson" if isinstance(body, bytes) else "application/json"
    return {"accept": "application/json"} | ({"content-type": kind} if body is not None else {})


def failure(engine: EngineName, endpoint: str, *, status: int | None, answer: Any, request: str) -> ServiceError:
    """Make our error of a refused request; ``status`` None means that no answer came, and ``answer`` says why."""
    who = _TITLES[engine]
    code = "" if status is None else str(status)
    reason = error_reason(answer)
    if status is None:
        return ServiceUnavailable(f"{who} did not answer {request}: {reason}", code=code, endpoint=endpoint)
    if status in TRANSIENT_STATUS:
        return ServiceUnavailable(f"{who} could not serve {request} just now: {reason}", code=code, endpoint=endpoint)
    kind = {404: ServiceNotFound, 409: ServiceConflict, 413: RequestTooLarge}.get(status, ServiceRefused)
    remedy = "; check its username and password" if status in {401, 403} else ""
    return kind(f"{who} refused {request}: {reason}{remedy}", code=code, endpoint=endpoint)


def error_reason(answer: Any) -> str:
    """Return the engine's own words out of an error document: type, reason, and the innermost cause."""
    error = answer.get("error", answer) if isinstance(answer, dict) else answer
    if not isinstance(error, dict):
        return str(error)[:500] or "no reason given"
    words = f"{error.get('type', 'error')}: {error.get('reason', 'no reason given')}"
    cause = error.get("caused_by")
    while isinstance(cause, dict):
        if cause.get("reason"):
            words = f"{words} ({cause['reason']})"
        cause = cause.get("caused_by")
    return words[:1000]
