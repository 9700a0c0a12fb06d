"""Every failure as one JSON envelope with one sentence; nothing of the inside ever leaves."""

from __future__ import annotations

import math
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from searchloom.errors import NotFound, SearchloomError, Transient, UsageError
from searchloom.query.auth import Forbidden, Unauthorized
from searchloom.query.deadline import DeadlineExceeded
from searchloom.query.limits import TooMany
from searchloom.query.schemas import ErrorAnswer, ErrorDetail

_STATUS: tuple[tuple[type[SearchloomError], int, str], ...] = (
    (Unauthorized, 401, "unauthorized"),
    (Forbidden, 403, "forbidden"),
    (TooMany, 429, "too_many_requests"),
    (NotFound, 404, "not_found"),
    (UsageError, 422, "invalid_request"),
    (DeadlineExceeded, 504, "deadline_exceeded"),
    (Transient, 503, "unavailable"),
)
_HEADERS: Mapping[int, Mapping[str, str]] = {401: {"WWW-Authenticate": "Bearer"}, 503: {"Retry-After": "1"}}

INTERNAL = "something went wrong here; try again, and give the request id to support"

Documented = dict[int | str, dict[str, Any]]

DOCUMENTED: Documented = {
    status: {"model": ErrorAnswer, "description": description}
    for status, description in (
        (400, "The body cannot be read"),
        (401, "The token is missing or does not hold"),
        (403, "The caller's roles do not allow it"),
        (404, "There is no such corpus"),
        (413, "The body is too large"),
        (422, "The request is not well-formed"),
        (429, "More than this caller may ask for, or than there is room for"),
        (500, "A fault of the service"),
        (503, "The parts that this search needs are down"),
        (504, "The deadline has passed"),
    )
}
"""What the OpenAPI document says of failures."""


def of(*statuses: int) -> Documented:
    """The part of ``DOCUMENTED`` that one route may answer."""
    return {status: DOCUMENTED[status] for status in statuses}


def answer(status: int, code: str, message: str, request_id: str) -> Response:
    """Return the envelope: ``{"error": {"code", "message", "request_id"}}``."""
    body = ErrorAnswer(error=ErrorDetail(code=code, message=message, request_id=request_id))
    headers = dict(_HEADERS.get(status, {}))
    return Response(body.model_dump_json(), status, headers, media_type="application/json")


def code_of(error: SearchloomError) -> str:
    """The code of an error, for those who can no longer be told by a status."""
    return next((code for kind, _, code in _STATUS if isinstance(error, kind)), "internal")


def install(app: FastAPI) -> None:
    """Answer our errors, FastAPI's and Starlette's in the envelope; the middleware catches the rest."""

    @app.exception_handler(SearchloomError)
    async def ours(request: Request, error: SearchloomError) -> Response:
        for kind, status, code in _STATUS:
            if isinstance(error, kind):
                reply = answer(status, code, str(error), _request_id(request))
                if isinstance(error, TooMany):
                    reply.headers["Retry-After"] = str(math.ceil(error.retry_after_s))
                return reply
        raise error

    @app.exception_handler(RequestValidationError)
    async def malformed(request: Request, error: RequestValidationError) -> Response:
        return answer(422, "invalid_request", _sentence(error), _request_id(request))

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> Response:
        code = HTTPStatus(error.status_code).name.lower()
        reply = answer(error.status_code, code, f"{request.url.path}: {error.detail}", _request_id(request))
        reply.headers.update(error.headers or {})
        return reply


def _request_id(request: Request) -> str:
    return str(request.state.request_id)


def _sentence(error: RequestValidationError) -> str:
    first = error.errors()[0]
    if first["type"] == "json_invalid":
        return f"the body is no JSON: {first['ctx']['error']}"
    where = ".".join(str(part) for part in first["loc"] if part != "body") or "the body"
    return f"{where}: {first['msg']}"
