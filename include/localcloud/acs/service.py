"""The ACS3 services behind one door: authenticate, find the operation, answer in JSON."""

from __future__ import annotations

import asyncio
import logging
import re
import sqlite3
import uuid
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal
from urllib.parse import unquote

from localcloud.acs.errors import AcsError
from localcloud.acs.request import AcsRequest, request_of
from localcloud.acs.signature import ALGORITHM, Verifier, is_bearer
from localcloud.answers import send_answer
from localcloud.credentials import Keyring
from localcloud.faults import Fault, Faults, Receive, Scope, Send

_log = logging.getLogger(__name__)
# Milliseconds: what a throttled client is told to wait.
_RETRY_AFTER_MS = 500
Handler = Callable[[AcsRequest], Mapping[str, Any]]


@dataclass(frozen=True)
class Operation:
    """One call: its HTTP method, its path with ``{parameters}``, and who answers it in a thread."""

    method: str
    path: str
    handler: Handler

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """The path as a regular expression with a group for each parameter."""
        return re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", self.path))


@dataclass(frozen=True, slots=True)
class Product:
    """A service: its name in ``/_faults``, the version of its interface, and its operations by action.

    ``style``: how the fields that are the same in all services are written (``RequestId``, ``requestId``,
    ``request_id``).
    ``takes_api_keys``: an API key may stand in for a signature.
    """

    name: str
    version: str
    operations: Mapping[str, Operation]
    style: Literal["pascal", "camel", "snake"] = "pascal"
    takes_api_keys: bool = False


def is_acs(scope: Scope) -> bool:
    """Whether the request is for an ACS service and not for OSS."""
    scheme = ALGORITHM.encode()
    return b"SignatureMethod=" in scope["query_string"] or any(
        name.lower() == b"x-acs-action" or (name.lower() == b"authorization" and value.startswith(scheme))
        for name, value in scope["headers"]
    )


class AcsService:
    """All products on one port; the version says which one is meant."""

    def __init__(self, root: Path, keyring: Keyring, faults: Faults, products: Iterable[Product]) -> None:
        self._verifier = Verifier(keyring, root / "nonces.sqlite")
        self._faults = faults
        self._products = {product.version: product for product in products}
        self._threads = ThreadPoolExecutor(16, thread_name_prefix="acs")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request."""
        request_id = str(uuid.uuid4()).upper()
        fault: Fault | None = None
        headers: dict[str, str] = {}
        try:
            request = await request_of(scope, receive)
            product, operation = await self._admit(request)
            fault = self._faults.take(product.name, request.action)
            if fault is not None:
                _refuse(fault)
                request.fault = fault.kind
                await asyncio.sleep(fault.delay_s)
            status, content = 200, dict(await self._run(operation.handler, request))
        except AcsError as error:
            status, headers = error.status, error.headers
            host = next((value.decode("latin-1") for name, value in scope["headers"] if name.lower() == b"host"), "")
            content = {"HttpCode": status, "Code": error.code, "Message": error.message, "HostId": host}
        except (OSError, sqlite3.Error):
            _log.exception("Request %s %s failed on the disk or the database.", scope["method"], scope["path"])
            status = 500
            content = {"Code": "InternalError", "Message": "The request processing has failed due to an error."}
        if fault is not None:
            send = fault.spoil(scope, send)
        content = {"RequestId": request_id, **content}
        style = self._style(scope)
        content = {_styled(name, style): value for name, value in content.items()}
        await send_answer(send, status, content, {"x-acs-request-id": request_id, **headers})

    def _style(self, scope: Scope) -> str:
        # Of the headers and not of the request: what cannot be read is answered too.
        version = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"x-acs-version"), "")
        return self._products[version].style if version in self._products else "pascal"

    async def _run(self, handler: Callable[[AcsRequest], Any], request: AcsRequest) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._threads, handler, request)

    async def _admit(self, request: AcsRequest) -> tuple[Product, Operation]:
        await self._run(self._verifier.authenticate, request)
        product = self._products.get(request.version)
        if product is None:
            known = ", ".join(sorted(self._products))
            raise AcsError(
                400, "InvalidVersion", f"The version {request.version!r} is not served; x-acs-version may be {known}."
            )
        if is_bearer(request) and not product.takes_api_keys:
            raise AcsError(400, "IncompleteSignature", f"{product.name} takes signatures only, no API keys.")
        operation = product.operations.get(request.action)
        if operation is None:
            raise AcsError(404, "InvalidAction.NotFound", f"{product.name} has no action {request.action!r} here.")
        match = operation.pattern.fullmatch(request.raw_path)
        if match is None or request.method != operation.method:
            raise AcsError(
                404,
                "InvalidApi.NotFound",
                f"{request.action} is {operation.method} {operation.path}, not {request.method} {request.raw_path}.",
            )
        request.path_parameters = {name: unquote(value) for name, value in match.groupdict().items()}
        return product, operation


def _styled(name: str, style: str) -> str:
    if style == "snake":
        return re.sub(r"(?<=[a-z])[A-Z]", lambda letter: f"_{letter[0]}", name).lower()
    return f"{name[0].lower()}{name[1:]}" if style == "camel" else name


def _refuse(fault: Fault) -> None:
    if fault.kind == "429":
        raise AcsError(
            429,
            "Throttling.User",
            "Request was denied due to user flow control.",
            headers={"x-acs-retry-after": str(_RETRY_AFTER_MS)},
        )
    if fault.kind == "503":
        raise AcsError(503, "ServiceUnavailable", "The request has failed due to a temporary failure of the server.")
