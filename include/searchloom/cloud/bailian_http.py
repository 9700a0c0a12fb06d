"""What both clients of DashScope share of HTTP: headers, errors (also those inside HTTP 200), server-sent events."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import httpx

from searchloom.cloud.bailian_calls import Call
from searchloom.cloud.failures import failure
from searchloom.errors import ServiceError, ServiceUnavailable
from searchloom.settings import Bailian

T = TypeVar("T")

SERVICE = "Bailian"
_CONNECT_S = 5.0


def client_arguments(settings: Bailian) -> dict[str, Any]:
    """What ``httpx.Client`` and ``httpx.AsyncClient`` are made with."""
    headers = {"Authorization": f"Bearer {settings.api_key.get_secret_value()}"}
    if settings.workspace_id:
        headers["X-DashScope-WorkSpace"] = settings.workspace_id
    timeout = httpx.Timeout(settings.read_timeout_s, connect=_CONNECT_S)
    return {"base_url": settings.url.rstrip("/"), "headers": headers, "timeout": timeout}


def request_arguments(call: Call) -> dict[str, Any]:
    """What ``request`` and ``build_request`` of httpx take."""
    arguments = {"method": call.method, "url": call.path, "params": dict(call.query), "headers": dict(call.headers)}
    return arguments | ({"json": call.body} if call.body is not None else {})


def unreachable(error: httpx.HTTPError, *, what: str, endpoint: str) -> ServiceUnavailable:
    """The error for an answer that did not come, or not whole."""
    reason = str(error) or type(error).__name__
    return ServiceUnavailable(f"{SERVICE} cannot be reached about {what}: {reason}", endpoint=endpoint)


def checked(response: httpx.Response, *, what: str, endpoint: str) -> dict[str, Any]:
    """Return the JSON of an answer that says no error; raise the error that it says."""
    try:
        body = response.json()
    except ValueError:
        body = None
    if not isinstance(body, dict):
        if 400 <= response.status_code < 500:
            body = {"message": response.text[:300]}
        else:
            raise ServiceUnavailable(
                f"{SERVICE} did not answer with JSON about {what}", code=str(response.status_code), endpoint=endpoint
            )
    if response.is_success and not body.get("code") and not body.get("error"):
        return body
    raise said(body, what=what, endpoint=endpoint, status=response.status_code, headers=response.headers)


def understood(parse: Callable[[dict[str, Any]], T], body: dict[str, Any], *, what: str, endpoint: str) -> T:
    """Take an answer apart; one that lacks what was asked for is as good as none."""
    try:
        return parse(body)
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise ServiceUnavailable(f"{SERVICE} answered something else about {what}", endpoint=endpoint) from error


def said(
    body: Mapping[str, Any],
    *,
    what: str,
    endpoint: str,
    status: int,
    headers: Mapping[str, str],
) -> ServiceError:
    """Translate an error of either dialect; inside HTTP 200 only its code tells what it is."""
    inner = body.get("error") or body
    waits = headers.get("retry-after", "")
    return failure(
        service=SERVICE,
        what=what,
        status=max(status, 400),
        code=str(inner.get("code") or inner.get("type") or ""),
        message=str(inner.get("message") or ""),
        request_id=str(body.get("request_id") or headers.get("x-request-id") or ""),
        endpoint=endpoint,
        retry_after_s=float(waits) if waits.isdecimal() else None,
    )


class Events:
    """Puts server-sent events together, line by line.

    Format: https://html.spec.whatwg.org/multipage/server-sent-events.html
    """

    def __init__(self) -> None:
        self._data: list[str] = []
        self.status = 200

    def feed(self, line: str) -> dict[str, Any] | None:
        """Take a line; return the event that it ends. Raises ``ValueError`` for one that is no JSON object."""
        if line.startswith(":HTTP_STATUS/"):  # a comment to others: the status that DashScope means
            self.status = int(line.partition("/")[2])
        elif line.startswith("data:"):
            self._data.append(line.removeprefix("data:").removeprefix(" "))
        elif not line and self._data:
            data, self._data = "\n".join(self._data), []
            if data != "[DONE]":
                event = json.loads(data)
                if not isinstance(event, dict):
                    raise ValueError(data[:100])
                return event
        return None
