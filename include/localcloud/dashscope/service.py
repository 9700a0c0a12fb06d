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
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from localcloud.answers import send_answer
from localcloud.credentials import Keyring
from localcloud.dashscope.app_calls import AppCalls
from localcloud.dashscope.apps import Apps
from localcloud.dashscope.batch_embedding import BatchEmbedding
from localcloud.dashscope.cache import cache_folder
from localcloud.dashscope.catalogue import Catalogue
from localcloud.dashscope.delivery import deliver, send_event, send_file
from localcloud.dashscope.embeddings import MODELS, Embeddings
from localcloud.dashscope.errors import DashScopeError
from localcloud.dashscope.events import Events
from localcloud.dashscope.files import MAX_UPLOAD_BYTES, Files
from localcloud.dashscope.forms import Speech, error_event
from localcloud.dashscope.generation import Generation
from localcloud.dashscope.request import Request, request_of
from localcloud.dashscope.reranking import RERANK_MODELS, Reranking
from localcloud.dashscope.speaking import LanguageModel
from localcloud.dashscope.worker import ModelWorker
from localcloud.faults import Fault, Faults, Receive, Scope, Send

_log = logging.getLogger(__name__)
_COMPATIBLE = ("/compatible-mode/", "/compatible-api/")
_PREFIXES = ("/api/v1/", *_COMPATIBLE)
_MAX_JSON_BYTES = 16 * 1024 * 1024
_EMBEDDINGS = "/api/v1/services/embeddings/text-embedding/text-embedding"
_RERANKING = "/api/v1/services/rerank/text-rerank/text-rerank"
_GENERATION = "/api/v1/services/aigc/text-generation/generation"

# JSON, an answer of the language model, events as they come, or a file.
_Content = dict[str, Any] | Speech | Events | Path
Handler = Callable[[Request], _Content]


@dataclass(frozen=True, slots=True)
class Route:
    """A call: its name in ``/_faults``, its path, and who answers it in a thread."""

    action: str
    method: str
    path: re.Pattern[str]
    handler: Handler
    max_bytes: int = _MAX_JSON_BYTES
    # Whether the handler itself looks who may ask.
    public: bool = False


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
        self.cache = cache = cache_folder(root)
        self.worker = ModelWorker(cache, root / "models.log")
        self.language_model = LanguageModel(cache, root / "language_model.log")
        self._threads = ThreadPoolExecutor(8, thread_name_prefix="dashscope")
        self.catalogue = Catalogue()
        self.apps = Apps(root)
        self.files = files = Files(root, region)
        embeddings, reranking = Embeddings(self.worker), Reranking(self.worker)
        self._batch = batch = BatchEmbedding(root, self.worker, embeddings, keyring)
        generation, app_calls = Generation(self.catalogue), AppCalls(self.apps, self.catalogue)
        self._routes = [
            route("TextEmbedding", "POST", _EMBEDDINGS, batch.native),
            route("TextEmbedding", "POST", "/compatible-mode/v1/embeddings", embeddings.compatible),
            route("TextReRank", "POST", _RERANKING, reranking.native),
            route("TextReRank", "POST", "/compatible-api/v1/reranks", reranking.compatible),
            route("Generation", "POST", _GENERATION, generation.native),
            route("Generation", "POST", "/compatible-mode/v1/chat/completions", generation.compatible),
            route("Application", "POST", "/api/v1/apps/{app}/completion", app_calls.complete),
            route("ListTasks", "GET", "/api/v1/tasks", batch.page),
            route("GetTask", "GET", "/api/v1/tasks/{task}", batch.get),
            route("CancelTask", "POST", "/api/v1/tasks/{task}/cancel", batch.cancel),
            replace(route("GetTaskResult", "GET", "/api/v1/tasks/{task}/result", batch.result), public=True),
            route("UploadFile", "POST", "/api/v1/files", files.upload, MAX_UPLOAD_BYTES),
            route("ListFiles", "GET", "/api/v1/files", files.page),
            route("GetFile", "GET", "/api/v1/files/{file}", files.get),
            route("DeleteFile", "DELETE", "/api/v1/files/{file}", files.delete),
            route("ListModels", "GET", "/api/v1/models", self._list_models),
        ]

    def serve(self, routes: list[Route]) -> None:
        """Serve more calls: those of fine-tunes and deployments."""
        self._routes += routes

    def close(self) -> None:
        """Stop the models' processes."""
        self._batch.close()
        self.worker.close()
        self.language_model.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request."""
        request_id = str(uuid.uuid4())
        fault: Fault | None = None
        status = 200
        content: dict[str, Any] | None
        try:
            chosen, parameters = self._admitted(scope)
            fault = self._faults.take("dashscope", chosen.action)
            if fault is not None:
                _refuse(fault)
                await asyncio.sleep(fault.delay_s)
            request = await request_of(scope, receive, parameters, max_bytes=chosen.max_bytes)
            with request.body:
                request.fault = None if fault is None else fault.kind
                made = await self._run(chosen, request)
            if fault is not None:
                send = fault.spoil(scope, send)
            content = await self._said(made, receive, send, request_id)
        except DashScopeError as error:
            if error.hidden and _wants_events(scope):
                await send_event(send, error_event(error, request_id), request_id)
                return
            status, content = error.status, error.body(request_id, compatible=_is_compatible(scope))
        except (OSError, sqlite3.Error):
            _log.exception("Request %s %s failed on the disk or the database.", scope["method"], scope["path"])
            said = DashScopeError(500, "InternalError", "An internal error has occurred; try again later.")
            status, content = said.status, said.body(request_id, compatible=_is_compatible(scope))
        if content is None:
            return
        await send_answer(send, status, _named(content, request_id, scope), {"x-request-id": request_id})

    async def _said(self, content: _Content, receive: Receive, send: Send, request_id: str) -> dict[str, Any] | None:
        """The JSON to answer with; None where the answer went another way."""
        if isinstance(content, Events):
            await content.tell(receive, send, request_id)
        elif isinstance(content, Speech):
            return await deliver(content, self.language_model, receive, send, request_id)
        elif isinstance(content, Path):
            await send_file(send, content, request_id)
        else:
            return content
        return None

    async def _run(self, chosen: Route, request: Request) -> _Content:
        return await asyncio.get_running_loop().run_in_executor(self._threads, chosen.handler, request)

    def _admitted(self, scope: Scope) -> tuple[Route, dict[str, str]]:
        chosen, parameters = self._route_of(scope)
        if chosen is None or not chosen.public:
            self._authenticate(scope)
        if chosen is None:
            raise DashScopeError(404, "NotFound", f"The local cloud does not serve {_called(scope)}.")
        return chosen, parameters

    def _authenticate(self, scope: Scope) -> None:
        sent = next((value for name, value in scope["headers"] if name.lower() == b"authorization"), b"")
        kind, _, key = sent.partition(b" ")
        if not key:
            raise DashScopeError(401, "InvalidApiKey", "No API-key provided.")
        if kind.lower() != b"bearer" or not hmac.compare_digest(key.strip(), self._keyring.api_key.encode()):
            raise DashScopeError(401, "InvalidApiKey", "Invalid API-key provided.")

    def _route_of(self, scope: Scope) -> tuple[Route | None, dict[str, str]]:
        path = _path_of(scope)
        for each in self._routes:
            match = each.path.fullmatch(path)
            if match is not None and each.method == scope["method"]:
                return each, {name: unquote(value) for name, value in match.groupdict().items()}
        return None, {}

    def _list_models(self, request: Request) -> dict[str, Any]:
        """A page of the models that are served."""
        number, size = request.page()
        names = (*MODELS, *RERANK_MODELS, *self.catalogue.names())
        found = [{"model": name, "name": name} for name in names[(number - 1) * size : number * size]]
        return {"output": {"total": len(names), "page_no": number, "page_size": size, "models": found}}


def route(action: str, method: str, path: str, handler: Handler, max_bytes: int = _MAX_JSON_BYTES) -> Route:
    """A route; what is in braces in ``path`` becomes the request's parameters."""
    pattern = re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", path))
    return Route(action, method, pattern, handler, max_bytes)


def _path_of(scope: Scope) -> str:
    path: bytes = scope["raw_path"].partition(b"?")[0]
    return path.decode("latin-1")


def _called(scope: Scope) -> str:
    return f"{scope['method']} {_path_of(scope)}"


def _is_compatible(scope: Scope) -> bool:
    return bool(scope["path"].startswith(_COMPATIBLE))


def _wants_events(scope: Scope) -> bool:
    return any(name.lower() == b"x-dashscope-sse" and value == b"enable" for name, value in scope["headers"])


def _named(content: dict[str, Any], request_id: str, scope: Scope) -> dict[str, Any]:
    if not _is_compatible(scope):
        return {"request_id": request_id, **content}
    prefix = "chatcmpl-" if scope["path"].endswith("/chat/completions") else ""
    return {**content, "id": f"{prefix}{request_id}"}


def _refuse(fault: Fault) -> None:
    if fault.kind in {"429", "hidden_429"}:
        message = "Requests rate limit exceeded, please try again later."
        status = 429 if fault.kind == "429" else 200
        raise DashScopeError(status, "Throttling.RateQuota", message, meant_status=429)
    if fault.kind == "503":
        raise DashScopeError(503, "ServiceUnavailable", "The service is temporarily unavailable, try again later.")
