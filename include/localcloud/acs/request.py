"""A request as an ACS3 service sees it, and what it takes from query and body."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import unquote_plus

from localcloud.acs.errors import AcsError, invalid_parameter, missing_parameter
from localcloud.faults import Kind, Receive, Scope
from localcloud.timestamps import milliseconds_of

_MAX_BODY_BYTES = 16 * 1024 * 1024
Item = TypeVar("Item")


@dataclass(slots=True)
class AcsRequest:
    """One request; header names are lower case, ``path_parameters`` come from the operation's path.

    ``fault`` is the misbehaviour that this request was chosen for, if any.
    """

    method: str
    raw_path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes
    path_parameters: Mapping[str, str] = field(default_factory=dict)
    fault: Kind | None = None

    @property
    def action(self) -> str:
        """The name of the call, as the client says it."""
        return self.headers.get("x-acs-action") or self.query.get("Action", "")

    @property
    def version(self) -> str:
        """The version of the service's interface, which tells the services apart."""
        return self.headers.get("x-acs-version") or self.query.get("Version", "")

    def json(self) -> dict[str, Any]:
        """The body's JSON object; an empty body is an empty object."""
        if not self.body:
            return {}
        try:
            content = json.loads(self.body)
        except ValueError:
            raise AcsError(400, "InvalidParameter", "The request body is not valid JSON.") from None
        if isinstance(content, str):
            # The EAS client sends the service's JSON as it is given, text or object.
            return AcsRequest(self.method, self.raw_path, {}, {}, content.encode()).json()
        if not isinstance(content, dict):
            raise AcsError(400, "InvalidParameter", "The request body must be a JSON object.")
        return content

    def required(self, name: str) -> str:
        """A query parameter that must be there."""
        value = self.query.get(name)
        if not value:
            raise missing_parameter(name)
        return value

    def integer(self, name: str, default: int, *, low: int, high: int) -> int:
        """A whole number from the query; raises ``InvalidParameter`` outside ``low..high``."""
        value = self.query.get(name) or str(default)
        if not value.lstrip("-").isdecimal() or not low <= int(value) <= high:
            raise invalid_parameter(name, value, f"a whole number from {low} to {high}")
        return int(value)

    def time_ms(self, name: str) -> int | None:
        """A point in time from the query, in milliseconds since the epoch."""
        value = self.query.get(name)
        if not value:
            return None
        try:
            return milliseconds_of(value)
        except ValueError:
            raise invalid_parameter(name, value, "an ISO 8601 time such as 2026-11-21T10:00:00Z") from None

    def mapping(self, name: str) -> dict[str, str]:
        """A map from the query, where clients send it as JSON."""
        value = self.query.get(name)
        if not value:
            return {}
        try:
            content = json.loads(value)
        except ValueError:
            content = None
        if not isinstance(content, dict):
            raise invalid_parameter(name, value, "a JSON object")
        return {str(key): str(item) for key, item in content.items()}

    def descending(self, *, default: str) -> bool:
        """Whether ``Order`` asks for the largest first."""
        order = (self.query.get("Order") or default).lower()
        if order not in {"asc", "desc"}:
            raise invalid_parameter("Order", order, "asc or desc")
        return order == "desc"

    def page(self, found: list[Item], *, default_size: int = 10, high: int = 100) -> list[Item]:
        """The part of ``found`` that ``PageNumber`` (from 1) and ``PageSize`` ask for."""
        number = self.integer("PageNumber", 1, low=1, high=1_000_000)
        size = self.integer("PageSize", default_size, low=1, high=high)
        return found[(number - 1) * size : number * size]


def query_of(scope: Scope) -> dict[str, str]:
    """The decoded query; of a name that comes twice the last value counts."""
    return _pairs(scope["query_string"].decode("latin-1"))


def _pairs(text: str) -> dict[str, str]:
    pairs = [pair.partition("=") for pair in text.split("&") if pair]
    return {unquote_plus(name): unquote_plus(value) for name, _, value in pairs}


async def request_of(scope: Scope, receive: Receive) -> AcsRequest:
    """Read the whole request; raises ``RequestTooLarge`` beyond 16 MiB."""
    body, more = bytearray(), True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            break
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > _MAX_BODY_BYTES:
            raise AcsError(413, "RequestTooLarge", f"The request body is larger than {_MAX_BODY_BYTES} bytes.")
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
    raw_path = scope["raw_path"].partition(b"?")[0].decode("latin-1")
    query = query_of(scope)
    if "SignatureMethod" in query and headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        # The older calls send parameters that are long in a form; the signature covers both together.
        query |= _pairs(body.decode("latin-1"))
        body.clear()
    return AcsRequest(scope["method"], raw_path, query, headers, bytes(body))
