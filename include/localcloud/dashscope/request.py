"""A request as DashScope sees it."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import IO, Any

from localcloud.acs.request import query_of
from localcloud.dashscope.errors import DashScopeError, invalid_parameter
from localcloud.faults import Kind, Receive, Scope

_IN_MEMORY_BYTES = 1024 * 1024


@dataclass(slots=True)
class Request:
    """One request; header names are lower case, ``parameters`` come from the route's path.

    ``fault`` is the misbehaviour that this request was chosen for, if any.
    """

    query: dict[str, str]
    headers: dict[str, str]
    body: IO[bytes]
    parameters: Mapping[str, str]
    fault: Kind | None = None

    def json(self) -> dict[str, Any]:
        """The body's JSON object."""
        try:
            content = json.loads(self.body.read())
        except ValueError:
            raise invalid_parameter("The request body is not valid JSON.") from None
        if not isinstance(content, dict):
            raise invalid_parameter("The request body must be a JSON object.")
        return content

    def page(self) -> tuple[int, int]:
        """``page_no`` (from 1) and ``page_size``."""
        return self.integer("page_no", 1, high=1_000_000), self.integer("page_size", 10, high=100)

    def integer(self, name: str, default: int, *, low: int = 1, high: int) -> int:
        """A whole number from the query; raises ``InvalidParameter`` outside ``low..high``."""
        value = self.query.get(name) or str(default)
        if not (value.isascii() and value.isdecimal() and len(value) <= 9 and low <= int(value) <= high):
            raise invalid_parameter(f"{name} is {value!r}; it must be a whole number from {low} to {high}.")
        return int(value)


async def request_of(scope: Scope, receive: Receive, parameters: Mapping[str, str], *, max_bytes: int) -> Request:
    """Read the whole request, what is large to a temporary file; raises ``RequestTooLarge``."""
    body = tempfile.SpooledTemporaryFile(_IN_MEMORY_BYTES)  # noqa: SIM115 - the request's, as long as it lasts
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            break
        piece = message.get("body", b"")
        size += len(piece)
        if size > max_bytes:
            body.close()
            raise DashScopeError(413, "RequestTooLarge", f"The request body is larger than {max_bytes} bytes.")
        body.write(piece)
        more = message.get("more_body", False)
    body.seek(0)
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
    return Request(query_of(scope), headers, body, parameters)
