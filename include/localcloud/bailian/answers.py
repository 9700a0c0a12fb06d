"""Answers as Bailian says them: refusals come with HTTP 200 and ``Success: false``."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl

from localcloud.acs.errors import AcsError, invalid_parameter, missing_parameter
from localcloud.acs.request import AcsRequest

Handler = Callable[[AcsRequest], Mapping[str, Any]]


def answered(handler: Handler) -> Handler:
    """Put what the handler returns, or why it refuses, into Bailian's envelope."""

    def handle(request: AcsRequest) -> Mapping[str, Any]:
        try:
            data = handler(request)
        except AcsError as error:
            return {"Success": False, "Status": str(error.status), "Code": error.code, "Message": error.message}
        return {"Success": True, "Status": "200", "Code": "Success", "Message": "success", "Data": data}

    return handle


def form_of(request: AcsRequest) -> dict[str, str]:
    """The fields of the body, which is a form."""
    try:
        return dict(parse_qsl(request.body.decode("utf-8"), keep_blank_values=True))
    except ValueError:
        raise AcsError(400, "InvalidParameter", "The request body is no form.") from None


def required(fields: Mapping[str, str], name: str) -> str:
    """A field that must be there; raises ``MissingParameter``."""
    value = fields.get(name)
    if not value:
        raise missing_parameter(name)
    return value


def list_in(fields: Mapping[str, str], name: str) -> list[Any]:
    """A list, which clients send as JSON; empty when it is not there. Raises ``InvalidParameter``."""
    value = fields.get(name)
    if not value:
        return []
    try:
        content = json.loads(value)
    except ValueError:
        content = None
    if not isinstance(content, list):
        raise invalid_parameter(name, value, "a JSON list")
    return content


def number_of(fields: Mapping[str, str], name: str, default: float, *, low: float, high: float) -> float:
    """A number; raises ``InvalidParameter`` outside ``low..high``."""
    value = fields.get(name) or str(default)
    try:
        number = float(value)
    except ValueError:
        number = float("nan")
    if not low <= number <= high:
        raise invalid_parameter(name, value, f"a number from {low:g} to {high:g}")
    return number


def flag_of(fields: Mapping[str, str], name: str, *, default: bool) -> bool:
    """A truth value, which clients send as ``True`` or ``true``."""
    return (fields.get(name) or str(default)).lower() == "true"
