"""What a service of the cloud answers when it does not do what it was asked, as our errors: one translation for all.

The HTTP status alone is not enough: Alibaba Cloud throttles with 429 and with 400, misses things with 404 and with
400, and DashScope puts an error into HTTP 200. The error code decides first, then the status.
"""

from __future__ import annotations

from typing import Any

from searchloom.errors import (
    ServiceConflict,
    ServiceError,
    ServiceNotFound,
    ServiceRefused,
    ServiceUnavailable,
)

_QUEUE_FULL = 450  # EAS: the queue of the service is full

# The last ones are DashScope's in the dialect that is compatible with OpenAI's.
_THROTTLED = ("Throttling", "LimitRequests", "rate_limit", "limit_requests", "limit_burst_rate", "insufficient_quota")
_BROKEN = (
    "InternalError",
    "InternalServerError",
    "ServiceUnavailable",
    "SystemError",
    "RequestTimeOut",
    "ModelServing",
)


def failure(
    *,
    service: str,
    what: str,
    status: int,
    code: str = "",
    message: str = "",
    request_id: str = "",
    endpoint: str = "",
    retry_after_s: float | None = None,
) -> ServiceError:
    """Translate one answer; ``what`` is the thing that the call was about (``job 'dlc-1'``)."""
    said = " ".join(message.split()).rstrip(".") or "no reason given"
    code = code or str(status)
    if _is_throttling(status, code):
        remedy = "call less often or ask for a higher quota"
        return ServiceUnavailable(
            f"{service} is throttling calls about {what}: {said}; {remedy}",
            code=code,
            request_id=request_id,
            endpoint=endpoint,
            throttled=True,
            retry_after_s=retry_after_s,
        )
    facts: dict[str, Any] = {"code": code, "request_id": request_id, "endpoint": endpoint}
    if status >= 500 or status == 408 or code.startswith(_BROKEN):
        text = f"{service} could not answer about {what}: {said}"
        return ServiceUnavailable(text, **facts, retry_after_s=retry_after_s)
    if status == 404 or code.endswith(("NotFound", "NotExist", "NotExists")):
        return ServiceNotFound(f"{service} has no {what}: {said}", **facts)
    if status in {409, 412} or code.endswith(("AlreadyExists", "AlreadyExist", "Conflict")):
        return ServiceConflict(f"{service} holds another {what} or is changing it: {said}", **facts)
    return ServiceRefused(f"{service} refused {what}: {said}; {_remedy(status, code)}", **facts)


def _is_throttling(status: int, code: str) -> bool:
    # A used-up allocation comes as Throttling.AllocationQuota: it is a limit per minute, so waiting helps.
    return status in {429, _QUEUE_FULL} or code.startswith(_THROTTLED)


def _remedy(status: int, code: str) -> str:
    if "SecurityToken" in code:
        return "take a new STS token"
    if "Quota" in code or "Arrearage" in code:
        return "free some of the quota, ask for more, or settle the account"
    if status in {401, 403}:
        return "check the key and what it is allowed to do"
    return "check the request"
