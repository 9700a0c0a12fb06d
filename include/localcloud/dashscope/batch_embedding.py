"""Embeddings of whole files (``X-DashScope-Async``): a task reads a text a line from a URL and leaves a file to fetch.

The vectors so far are on the disk: after a kill the task goes on where it was.
"""

from __future__ import annotations

import gzip
import hashlib
import hmac
import json
import logging
import shutil
import threading
import time
from itertools import islice
from pathlib import Path
from typing import Any

import httpx

from localcloud.credentials import Keyring
from localcloud.dashscope.embeddings import Embeddings, fitted
from localcloud.dashscope.errors import DashScopeError, invalid_parameter
from localcloud.dashscope.generation import refuse_async
from localcloud.dashscope.request import Request
from localcloud.dashscope.tasks import Task, Tasks, clock_time
from localcloud.dashscope.worker import ModelWorker

_log = logging.getLogger(__name__)
BATCH_MODELS = ("text-embedding-async-v1", "text-embedding-async-v2")
_DIMS = 1536
_MAX_TOKENS = 2048
_MAX_LINES = 100_000
_MAX_BYTES = 200 * 1024 * 1024
_AT_ONCE = 25
_FETCH_S = 60.0
# How long the address of a result is good.
_RESULT_S = 24 * 3600


class BatchEmbedding:
    """The call that makes such a task, those about tasks, and the thread that does them one after the other."""

    def __init__(self, root: Path, worker: ModelWorker, embeddings: Embeddings, keyring: Keyring) -> None:
        self._tasks = Tasks(root)
        self._folder = root / "tasks"
        self._folder.mkdir(parents=True, exist_ok=True)
        self._worker = worker
        self._embeddings = embeddings
        self._keyring = keyring
        self._work = threading.Event()
        self._closing = threading.Event()
        # What was left open goes on at once.
        self._work.set()
        threading.Thread(target=self._run, name="tasks", daemon=True).start()

    def close(self) -> None:
        """Stop working; what is open goes on with the next start."""
        self._closing.set()
        self._work.set()

    def native(self, request: Request) -> dict[str, Any]:
        """A task where the header asks for one, else the vectors."""
        content = request.json()
        if content.get("model") not in BATCH_MODELS:
            refuse_async(request)
            request.body.seek(0)
            return self._embeddings.native(request)
        if request.headers.get("x-dashscope-async", "").lower() != "enable":
            raise DashScopeError(403, "AccessDenied", "current user api does not support synchronous calls.")
        asked = content.get("input")
        url = asked.get("url") if isinstance(asked, dict) else None
        if not isinstance(url, str) or not url.startswith(("http://", "https://")):
            raise DashScopeError(400, "InvalidURL", "Invalid URL provided in your request.")
        parameters = content.get("parameters") or {}
        if not isinstance(parameters, dict) or parameters.get("text_type", "document") not in {"query", "document"}:
            raise invalid_parameter("text_type must be query or document.")
        task = self._tasks.add(model=content["model"], url=url, must_fail=request.fault == "failed_job")
        self._work.set()
        return {"output": {"task_id": task.id, "task_status": task.status}}

    def get(self, request: Request) -> dict[str, Any]:
        """How far a task is; one that nobody knows is UNKNOWN, which is no error."""
        task_id = request.parameters["task"]
        try:
            task = self._tasks.get(task_id)
        except DashScopeError:
            return {"output": {"task_id": task_id, "task_status": "UNKNOWN"}}
        host = request.headers.get("host", "")
        output: dict[str, Any] = {
            "task_id": task.id,
            "task_status": task.status,
            "submit_time": clock_time(task.submitted_ms),
            "scheduled_time": clock_time(task.scheduled_ms),
            "end_time": clock_time(task.ended_ms),
            "url": f"http://{host}{self._address(task.id)}" if task.status == "SUCCEEDED" else None,
            "code": task.code,
            "message": task.message,
        }
        usage = {"usage": {"total_tokens": task.tokens}} if task.status == "SUCCEEDED" else {}
        return {"output": {name: value for name, value in output.items() if value is not None}, **usage}

    def cancel(self, request: Request) -> dict[str, Any]:
        """Cancel a task that waits."""
        self._tasks.cancel(request.parameters["task"])
        return {}

    def page(self, request: Request) -> dict[str, Any]:
        """A page of the tasks, the last first."""
        number, size = request.page()
        filters = {"status": request.query.get("status"), "model": request.query.get("model_name")}
        found, total = self._tasks.page(filters, number, size)
        pages = -(-total // size)
        rows = [
            {
                "task_id": task.id,
                "status": task.status,
                "model_name": task.model,
                "gmt_create": task.submitted_ms,
                "start_time": task.scheduled_ms,
                "end_time": task.ended_ms,
            }
            for task in found
        ]
        return {"total": total, "total_page": pages, "page_no": number, "page_size": size, "data": rows}

    def result(self, request: Request) -> Path:
        """The file of a task that succeeded; its address says who may have it, no API key."""
        task_id, expires = request.parameters["task"], request.query.get("expires", "")
        given = request.query.get("token", "")
        good = hmac.compare_digest(given.encode(), self._token(task_id, expires).encode())
        if not good or not expires.isdecimal() or int(expires) < time.time():
            raise DashScopeError(403, "AccessDenied", "Invalid according to Policy: Policy expired.")
        self._tasks.get(task_id)
        return self._folder / f"{task_id}.txt.gz"

    def _address(self, task_id: str) -> str:
        expires = str(int(time.time()) + _RESULT_S)
        return f"/api/v1/tasks/{task_id}/result?expires={expires}&token={self._token(task_id, expires)}"

    def _token(self, task_id: str, expires: str) -> str:
        message = f"result\n{task_id}\n{expires}".encode()
        return hmac.new(self._keyring.access_key_secret.encode(), message, hashlib.sha256).hexdigest()

    def _run(self) -> None:
        while not self._closing.is_set():
            self._work.wait()
            self._work.clear()
            while not self._closing.is_set() and (task := self._tasks.begin_next()) is not None:
                try:
                    tokens = self._do(task)
                except DashScopeError as error:
                    if self._closing.is_set():
                        return
                    _log.warning("The task %s failed: %s", task.id, error)
                    self._tasks.end(task.id, failure=error)
                else:
                    self._tasks.end(task.id, tokens=tokens)

    def _do(self, task: Task) -> int:
        if task.must_fail:
            raise DashScopeError(500, "InternalError", "The task failed because a fault was ordered.")
        texts, part = self._folder / f"{task.id}.input", self._folder / f"{task.id}.part"
        if not texts.exists():
            _fetch(task.url, texts)
        done, tokens = _made_already(part)
        with texts.open(encoding="utf-8", errors="replace") as lines, part.open("ab") as made:
            waiting = enumerate(lines)
            for _ in islice(waiting, done):
                pass
            while rows := list(islice(waiting, _AT_ONCE)):
                for row in self._embedded([(index, line.strip()) for index, line in rows]):
                    tokens += row["usage"]["total_tokens"]
                    made.write(json.dumps(row, ensure_ascii=False).encode() + b"\n")
                made.flush()
                if self._closing.is_set():
                    raise DashScopeError(503, "ServiceUnavailable", "The service is stopping.")
        packed = self._folder / f"{task.id}.gz.part"
        with part.open("rb") as source, gzip.open(packed, "wb") as target:
            shutil.copyfileobj(source, target)
        packed.rename(self._folder / f"{task.id}.txt.gz")
        part.unlink()
        texts.unlink()
        return tokens

    def _embedded(self, rows: list[tuple[int, str]]) -> list[dict[str, Any]]:
        """A result for each line; one that is empty or too long has no vector but a code."""
        texts = [text for _, text in rows if text]
        if len(texts) == len(rows) and (answer := self._ask(texts))["vectors"]:
            each = zip(rows, answer["vectors"], answer["tokens"], strict=True)
            return [_row(index, vector, tokens) for (index, _), vector, tokens in each]
        if len(rows) == 1:
            return [_row(rows[0][0], None, 0)]
        return [row for one in rows for row in self._embedded([one])]

    def _ask(self, texts: list[str]) -> dict[str, Any]:
        return self._worker.ask({"texts": texts, "max_tokens": _MAX_TOKENS})


def _row(index: int, vector: list[float] | None, tokens: int) -> dict[str, Any]:
    if vector is None:
        message = f"Range of input length should be [1, {_MAX_TOKENS}]"
        output: dict[str, Any] = {"code": 400, "message": message, "text_index": index}
    else:
        output = {"code": 200, "message": "", "text_index": index, "embedding": fitted(vector, _DIMS)}
    return {"output": output, "usage": {"total_tokens": tokens}}


def _made_already(part: Path) -> tuple[int, int]:
    """Lines and tokens of a result that was interrupted; half a line at its end is taken off."""
    if not part.exists():
        return 0, 0
    count = tokens = whole = 0
    with part.open("rb") as made:
        for line in made:
            if not line.endswith(b"\n"):
                break
            count, whole = count + 1, whole + len(line)
            tokens += json.loads(line)["usage"]["total_tokens"]
    with part.open("rb+") as made:
        made.truncate(whole)
    return count, tokens


def _fetch(url: str, target: Path) -> None:
    part = target.with_suffix(".fetched")
    size = lines = 0
    try:
        with (
            httpx.stream("GET", url, timeout=_FETCH_S, follow_redirects=True, trust_env=False) as response,
            part.open("wb") as file,
        ):
            if not response.is_success:
                raise DashScopeError(400, "InvalidURL", f"The URL answered with status {response.status_code}.")
            for piece in response.iter_bytes():
                size, lines = size + len(piece), lines + piece.count(b"\n")
                if size > _MAX_BYTES or lines > _MAX_LINES:
                    raise invalid_parameter(f"The file has more than {_MAX_LINES} lines or {_MAX_BYTES} bytes.")
                file.write(piece)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise DashScopeError(400, "InvalidURL", f"The URL cannot be read: {error}") from error
    if not size:
        raise invalid_parameter("The file is empty.")
    part.rename(target)
