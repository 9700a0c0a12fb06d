"""Refusals in the words of the ACS3 services."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class AcsError(Exception):
    """Code, HTTP status and message of a refusal; ``headers`` travel with the answer."""

    def __init__(self, status: int, code: str, message: str, *, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.headers = headers or {}


def missing_parameter(name: str) -> AcsError:
    """A mandatory parameter is not there, or is empty."""
    return AcsError(400, "MissingParameter", f"The input parameter {name!r} that is mandatory is not supplied.")


def invalid_parameter(name: str, value: object, allowed: str) -> AcsError:
    """A parameter is outside its documented values, which ``allowed`` names."""
    return AcsError(400, "InvalidParameter", f"The parameter {name} is {value!r}; it must be {allowed}.")


def objects_in(content: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    """The list of JSON objects under ``name``, empty when it is not there; raises ``InvalidParameter``."""
    value = content.get(name)
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
        raise invalid_parameter(name, value, "a list of objects")
    return value


def object_in(content: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The JSON object under ``name``, empty when it is not there; raises ``InvalidParameter``."""
    value = content.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise invalid_parameter(name, value, "an object")
    return value


def text_in(content: Mapping[str, Any], name: str) -> str:
    """The text under ``name``, empty when it is not there; raises ``InvalidParameter``."""
    value = content.get(name)
    if value is None:
        return ""
    if not isinstance(value, str) or "\0" in value:
        raise invalid_parameter(name, value, "a text")
    return value


def number_in(content: Mapping[str, Any], name: str, default: int, *, low: int, high: int) -> int:
    """The whole number under ``name``; raises ``InvalidParameter`` outside ``low..high``."""
    value = content.get(name)
    if value is None:
        return default
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise invalid_parameter(name, value, f"a whole number from {low} to {high}")
    return value
