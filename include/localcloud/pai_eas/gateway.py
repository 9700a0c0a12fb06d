"""``/api/predict/{service}``: the token, the share of each service of a group, and a process that answers."""

from __future__ import annotations

import asyncio
import hmac
import logging
import random
import uuid
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

import httpx

from localcloud.faults import Fault, Faults, Receive, Scope, Send
from localcloud.pai_eas.deployment import Deployment
from localcloud.pai_eas.records import Service
from localcloud.pai_eas.replica import Replica

_log = logging.getLogger(__name__)
PREFIX = "/api/predict/"
# Headers that belong to one connection, and the caller's token, which is none of the container's business.
_NOT_PASSED_ON = frozenset({
    b"authorization", b"connection", b"content-length", b"host", b"keep-alive", b"te", b"trailer",
    b"transfer-encoding", b"upgrade",
})  # fmt: skip
_MAX_BODY_BYTES = 128 * 1024 * 1024
_CONNECT_S = 5.0


class Directory(Protocol):
    """Who serves under a name."""

    def serving(self, name: str) -> list[Service]:
        """The service of that name, or those of that group."""

    def deployment(self, name: str) -> Deployment | None:
        """The processes of a service."""


@dataclass(frozen=True, slots=True)
class _Prediction:
    """One request; ``path`` is what follows the service's name."""

    method: str
    path: str
    query: bytes
    headers: list[tuple[bytes, bytes]]
    body: bytes
    send: Send
    request_id: str


class _Refused(Exception):
    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class Gateway:
    """Passes requests on; a body is taken in whole, an answer is streamed."""

    def __init__(self, directory: Directory, faults: Faults) -> None:
        self._directory = directory
        self._faults = faults
        self._threads = ThreadPoolExecutor(4, thread_name_prefix="eas-gateway")
        self._http: httpx.AsyncClient | None = None

    async def close(self) -> None:
        """Close the connections to the processes."""
        if self._http is not None:
            await self._http.aclose()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one prediction."""
        request_id = str(uuid.uuid4())
        fault: Fault | None = None
        try:
            body = await _body_of(receive)
            name, _, rest = scope["path"].removeprefix(PREFIX).partition("/")
            service = await self._admit(name, scope)
            fault = self._faults.take("pai_eas", "Predict")
            if fault is not None:
                _refuse(fault)
                await asyncio.sleep(fault.delay_s)
                send = fault.spoil(scope, send)
            query, headers = scope["query_string"], list(scope["headers"])
            asked = _Prediction(scope["method"], rest, query, headers, body, send, request_id)
            await self._pass_on(service, asked)
        except _Refused as error:
            await _answer(send, error.status, error.message, request_id)

    async def _admit(self, name: str, scope: Scope) -> Service:
        # A service of a group is also known as group.service.
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(self._threads, self._directory.serving, name.rpartition(".")[2])
        if not found:
            raise _Refused(404, f"service {name} does not exist")
        sent = next((value for key, value in scope["headers"] if key.lower() == b"authorization"), b"")
        if not hmac.compare_digest(sent.removeprefix(b"Bearer "), found[0].token.encode()):
            raise _Refused(401, "authorization failed")
        if len(found) == 1 and found[0].name == name.rpartition(".")[2]:
            return found[0]
        shares = [service.share for service in found]
        if not any(shares):
            raise _Refused(503, f"no service of the group {name} takes traffic")
        return random.choices(found, shares)[0]  # noqa: S311 - sharing traffic, not secrets

    async def _pass_on(self, service: Service, asked: _Prediction) -> None:
        deployment = self._directory.deployment(service.name)
        tried: set[str] = set()
        while deployment is not None and (replica := deployment.pick(service, tried)) is not None:
            if replica.in_flight >= service.config.queue_size:
                raise _Refused(450, "queue full")
            tried.add(replica.name)
            replica.in_flight += 1
            deployment.count_request()
            try:
                await self._call(replica, service, asked)
            except httpx.ConnectError:
                # Nothing was sent: another process may take it.
                _log.info("Instance %s of service %s cannot be reached.", replica.name, service.name)
            else:
                return
            finally:
                replica.in_flight -= 1
        raise _Refused(503, f"service {service.name} has no instance that answers")

    async def _call(self, replica: Replica, service: Service, asked: _Prediction) -> None:
        query = f"?{asked.query.decode('latin-1')}" if asked.query else ""
        url = f"http://127.0.0.1:{replica.port}/{asked.path}{query}"
        headers = [(key, value) for key, value in asked.headers if key.lower() not in _NOT_PASSED_ON]
        timeout = httpx.Timeout(service.config.timeout_s, connect=_CONNECT_S)
        request = self._client().build_request(asked.method, url, content=asked.body, headers=headers, timeout=timeout)
        try:
            answer = await self._client().send(request, stream=True)
        except httpx.ConnectError:
            raise
        except httpx.TimeoutException:
            raise _Refused(408, "the request took too long") from None
        except httpx.TransportError as error:
            raise _Refused(502, f"the instance broke off: {type(error).__name__}") from None
        try:
            await self._stream(answer, asked)
        finally:
            await answer.aclose()

    @staticmethod
    async def _stream(answer: httpx.Response, asked: _Prediction) -> None:
        headers = [(key, value) for key, value in answer.headers.raw if key.lower() not in _NOT_PASSED_ON]
        if length := answer.headers.get("content-length"):
            headers.append((b"content-length", length.encode()))
        headers.append((b"x-eas-request-id", asked.request_id.encode()))
        await asked.send({"type": "http.response.start", "status": answer.status_code, "headers": headers})
        async for chunk in answer.aiter_raw():
            await asked.send({"type": "http.response.body", "body": chunk, "more_body": True})
        await asked.send({"type": "http.response.body", "body": b"", "more_body": False})

    def _client(self) -> httpx.AsyncClient:
        if self._http is None:
            limits = httpx.Limits(max_connections=None, max_keepalive_connections=64)
            self._http = httpx.AsyncClient(limits=limits, trust_env=False)
        return self._http


async def _body_of(receive: Receive) -> bytes:
    body, more = bytearray(), True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            break
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > _MAX_BODY_BYTES:
            raise _Refused(413, f"the body is larger than {_MAX_BODY_BYTES} bytes")
    return bytes(body)


async def _answer(send: Send, status: int, message: str, request_id: str) -> None:
    fields: Mapping[bytes, str] = {
        b"content-type": "text/plain; charset=utf-8",
        b"content-length": str(len(message.encode())),
        b"x-eas-request-id": request_id,
    }
    headers = [(name, value.encode()) for name, value in fields.items()]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": message.encode(), "more_body": False})


def _refuse(fault: Fault) -> None:
    if fault.kind == "429":
        raise _Refused(429, "too many requests")
    if fault.kind == "503":
        raise _Refused(503, "service unavailable")
