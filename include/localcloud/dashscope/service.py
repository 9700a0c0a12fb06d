"""DashScope on the one port: the API key, the routes, errors in the caller's dialect."""

from __future__ import annotations

import asyncio
import hmac
import logging
import re
import sqlite3
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from localcloud.answers import send_answer
from localcloud.credentials import Keyring
from localcloud.dashscope.embeddings import MODELS, Embeddings
from localcloud.dashscope.errors import DashScopeError
from localcloud.dashscope.files import MAX_UPLOAD_BYTES, Files
from localcloud.dashscope.request import Request, request_of
from localcloud.dashscope.reranking import RERANK_MODELS, Reranking
from localcloud.dashscope.worker import ModelWorker
from localcloud.faults import Fault, Faults, Receive, Scope, Send

_log = logging.getLogger(__name__)
_COMPATIBLE = ("/compatible-mode/", "/compatible-api/")
_PREFIXES = ("/api/v1/", *_COMPATIBLE)
_MAX_JSON_BYTES = 16 * 1024 * 1024
_EMBEDDINGS = "/api/v1/services/embeddings/text-embedding/text-embedding"
_RERANKING = "/api/v1/services/rerank/text-rerank/text-rerank"


@dataclass(frozen=True, slots=True)
class _Route:
    """A call: its name in ``/_faults``, its path, and who answers it in a thread."""

    action: str
    method: str
    path: re.Pattern[str]
    handler: Callable[[Request], dict[str, Any]]
    max_bytes: int = _MAX_JSON_BYTES


def is_dashscope(scope: Scope) -> bool:
    """Whether the path is one of DashScope's and nothing is signed for OSS, where a bucket may be called ``api``."""
    if not scope["path"].startswith(_PREFIXES):
        return False
    sent = next((value for name, value in scope["headers"] if name.lower() == b"authorization"), b"")
    return not sent.startswith(b"OSS") and b"ignature=" not in scope["query_string"]


class DashScopeService:
    """What is served of DashScope; every other call is refused by name, never answered with something made up."""

    def __init__(self, root: Path, keyring: Keyring, faults: Faults, region: str) -> None:
        self._keyring = keyring
        self._faults = faults
        self._worker = ModelWorker(root / "models.log")
        self._threads = ThreadPoolExecutor(8, thread_name_prefix="dashscope")
        embeddings, reranking, files = Embeddings(self._worker), Reranking(self._worker), Files(root, region)
        self._routes = [
            _route("TextEmbedding", "POST", _EMBEDDINGS, embeddings.native),
            _route("TextEmbedding", "POST", "/compatible-mode/v1/embeddings", embeddings.compatible),
            _route("TextReRank", "POST", _RERANKING, reranking.native),
            _route("TextReRank", "POST", "/compatible-api/v1/reranks", reranking.compatible),
            _route("UploadFile", "POST", "/api/v1/files", files.upload, MAX_UPLOAD_BYTES),
            _route("ListFiles", "GET", "/api/v1/files", files.page),
            _route("GetFile", "GET", "/api/v1/files/{file}", files.get),
            _route("DeleteFile", "DELETE", "/api/v1/files/{file}", files.delete),
            _route("ListModels", "GET", "/api/v1/models", _list_models),
        ]

    def close(self) -> None:
        """Stop the models' process."""
        self._worker.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request."""
        request_id = str(uuid.uuid4())
        fault: Fault | None = None
        status = 200
        try:
            self._authenticate(scope)
            route, parameters = self._route_of(scope)
            fault = self._faults.take("dashscope", route.action)
            if fault is not None:
                _refuse(fault)
                await asyncio.sleep(fault.delay_s)
            request = await request_of(scope, receive, parameters, max_bytes=route.max_bytes)
            with request.body:
                content = await self._run(route, request)
        except DashScopeError as error:
            status, content = error.status, error.body(request_id, compatible=_is_compatible(scope))
        except (OSError, sqlite3.Error):
            _log.exception("Request %s %s failed on the disk or the database.", scope["method"], scope["path"])
            said = DashScopeError(500, "InternalError", "An internal error has occurred; try again later.")
            status, content = said.status, said.body(request_id, compatible=_is_compatible(scope))
        if fault is not None:
            send = fault.spoil(scope, send)
        await send_answer(send, status, _named(content, request_id, scope), {"x-request-id": request_id})

    async def _run(self, route: _Route, request: Request) -> dict[str, Any]:
        return await asyncio.get_running_loop().run_in_executor(self._threads, route.handler, request)

    def _authenticate(self, scope: Scope) -> None:
        sent = next((value for name, value in scope["headers"] if name.lower() == b"authorization"), b"")
        kind, _, key = sent.partition(b" ")
        if not key:
            raise DashScopeError(401, "InvalidApiKey", "No API-key provided.")
        if kind.lower() != b"bearer" or not hmac.compare_digest(key.strip(), self._keyring.api_key.encode()):
            raise DashScopeError(401, "InvalidApiKey", "Invalid API-key provided.")

    def _route_of(self, scope: Scope) -> tuple[_Route, dict[str, str]]:
        path = scope["raw_path"].partition(b"?")[0].decode("latin-1")
        for route in self._routes:
            match = route.path.fullmatch(path)
            if match is not None and route.method == scope["method"]:
                return route, {name: unquote(value) for name, value in match.groupdict().items()}
        raise DashScopeError(404, "NotFound", f"The local cloud does not serve {scope['method']} {path}.")


def _route(
    action: str,
    method: str,
    path: str,
    handler: Callable[[Request], dict[str, Any]],
    max_bytes: int = _MAX_JSON_BYTES,
) -> _Route:
    pattern = re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", path))
    return _Route(action, method, pattern, handler, max_bytes)


def _is_compatible(scope: Scope) -> bool:
    return bool(scope["path"].startswith(_COMPATIBLE))


def _named(content: dict[str, Any], request_id: str, scope: Scope) -> dict[str, Any]:
    return {**content, "id": request_id} if _is_compatible(scope) else {"request_id": request_id, **content}


def _list_models(request: Request) -> dict[str, Any]:
    """A page of the models that are served."""
    number, size = request.page()
    names = (*MODELS, *RERANK_MODELS)
    found = [{"model": name, "name": name} for name in names[(number - 1) * size : number * size]]
    return {"output": {"total": len(names), "page_no": number, "page_size": size, "models": found}}


def _refuse(fault: Fault) -> None:
    if fault.kind == "429":
        message = "Requests rate limit exceeded, please try again later."
        raise DashScopeError(429, "Throttling.RateQuota", message)
    if fault.kind == "503":
        raise DashScopeError(503, "ServiceUnavailable", "The service is temporarily unavailable, try again later.")
