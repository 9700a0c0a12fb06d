"""Refusals in the words of the ACS3 services."""

from __future__ import annotations


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
