"""What a call must put on the wire, and the comparison with what was recorded of the vendors' own SDKs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest

from tests.cloud.recording import Request

CAPTURES = Path(__file__).resolve().parents[3] / "shared" / "wire"
"""Recordings of the vendors' SDKs, beside a checkout of the project's makers; elsewhere the tables alone judge."""

ACS_HEADERS = [
    "accept",
    "host",
    "user-agent",
    "x-acs-action",
    "x-acs-content-sha256",
    "x-acs-credentials-provider",
    "x-acs-date",
    "x-acs-signature-nonce",
    "x-acs-version",
]


@dataclass(frozen=True)
class Wire:
    """Method, path, query (sorted pairs) and body (JSON, or pairs of a form) of one call."""

    method: str
    path: str
    query: Sequence[tuple[str, str]] = ()
    body: Any = None
    capture: str = ""


def check(request: Request, wire: Wire) -> None:
    """The request is the one of the table, and the one of the recording where there is one."""
    sent = (request.method, request.path, sorted(request.query), _body(request.body))
    assert sent == (wire.method, wire.path, sorted(wire.query), _body(wire.body))
    if wire.capture and CAPTURES.is_dir():
        recorded = json.loads((CAPTURES / f"{wire.capture}.json").read_text())["requests"][0]
        query = sorted((name, value) for name, value in recorded["query"])
        assert sent == (recorded["method"], recorded["path"], query, _body(recorded["body"]))


def check_signed(request: Request, wire: Wire, *, action: str, version: str) -> None:
    """As ``check``, and the names of the headers that the ACS3 signature covers."""
    check(request, wire)
    assert (request.headers["x-acs-action"], request.headers["x-acs-version"]) == (action, version)
    with_body = ["content-type"] if wire.body is not None else []
    assert request.signed_headers == sorted(ACS_HEADERS + with_body)
    if wire.capture and CAPTURES.is_dir():
        recorded = json.loads((CAPTURES / f"{wire.capture}.json").read_text())["requests"][0]
        names = recorded["signature"]["signed_headers"].split(";")
        assert request.signed_headers == names


def needs_captures() -> None:
    if not CAPTURES.is_dir():
        pytest.skip("the recordings of the vendors' SDKs are not beside this checkout")


def _body(body: Any) -> Any:
    if isinstance(body, str) and "=" in body and "\r\n" not in body:
        return sorted(parse_qsl(body, keep_blank_values=True))
    return body
