"""Refusals in DashScope's words, in both of its dialects.

Codes: https://help.aliyun.com/en/model-studio/error-code
"""

from __future__ import annotations

from typing import Any

# What the dialect that is compatible with OpenAI's calls the same thing.
_COMPATIBLE_CODES = {
    "InvalidApiKey": "invalid_api_key",
    "ModelNotFound": "model_not_found",
    "InvalidParameter": "invalid_parameter_error",
    "AccessDenied": "access_denied",
    "Throttling.RateQuota": "limit_requests",
}
_INVALID_REQUEST = ("InvalidApiKey", "ModelNotFound", "InvalidParameter")


class DashScopeError(Exception):
    """HTTP status, code and message of a refusal; ``meant_status`` differs from a status of 200 that hides one."""

    def __init__(self, status: int, code: str, message: str, *, meant_status: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.meant_status = meant_status or status

    @property
    def hidden(self) -> bool:
        """Whether the HTTP status says nothing of it."""
        return self.status != self.meant_status

    def body(self, request_id: str, *, compatible: bool) -> dict[str, Any]:
        """The answer's JSON."""
        if not compatible:
            return {"request_id": request_id, "code": self.code, "message": self.message}
        code = _COMPATIBLE_CODES.get(self.code, self.code)
        kind = "invalid_request_error" if self.code in _INVALID_REQUEST else code
        error = {"message": self.message, "type": kind, "param": None, "code": code}
        return {"error": error, "request_id": request_id}


def invalid_parameter(message: str) -> DashScopeError:
    """What was sent is outside the documented limits."""
    return DashScopeError(400, "InvalidParameter", message)


def model_not_found(model: object) -> DashScopeError:
    """Nobody serves this model."""
    return DashScopeError(404, "ModelNotFound", f"The model {model!r} does not exist or is not served here.")
