"""The calls about deployments: a fine-tuned model that answers under a name of its own.

API: https://help.aliyun.com/en/model-studio/create-deployment-api. PENDING, then DEPLOYING while the language model's
process loads the adapter and says a first word with it, then RUNNING; a deployment is found again after a restart.
"""

from __future__ import annotations

import asyncio
import logging
import re
import sqlite3
import threading
from collections.abc import Callable
from contextlib import aclosing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from localcloud.dashscope.catalogue import BASE_MODEL, CLOUD_MODELS, Catalogue
from localcloud.dashscope.errors import DashScopeError, invalid_parameter
from localcloud.dashscope.request import Request
from localcloud.dashscope.speaking import LanguageModel, Question
from localcloud.database import Database
from localcloud.finetuning.fine_tunes import WORKSPACE
from localcloud.finetuning.jobs import Jobs
from localcloud.sts.service import ACCOUNT_ID
from localcloud.timestamps import now_ms

_log = logging.getLogger(__name__)
_SCHEMA = """
CREATE TABLE IF NOT EXISTS deployments (
    number INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, model TEXT NOT NULL, base TEXT NOT NULL,
    tuned INTEGER NOT NULL, capacity INTEGER NOT NULL, ready INTEGER NOT NULL DEFAULT 0, status TEXT NOT NULL,
    message TEXT NOT NULL DEFAULT '', must_fail INTEGER NOT NULL, created_ms INTEGER NOT NULL,
    modified_ms INTEGER NOT NULL
);
"""
_BASE_CAPACITY = 1
_MAX_CAPACITY = 64
_SUFFIX = re.compile(r"[A-Za-z0-9_-]{1,32}")
_PLANS = ("mu", "ptu", "lora")
_IDLE_S = 5.0
WarmUp = Callable[[Path | None], None]
"""Answer once with an adapter; raises ``DashScopeError``."""


def warm_up_with(model: LanguageModel) -> WarmUp:
    """Let the language model say one word."""

    async def speak(adapter: str | None) -> None:
        question = Question([{"role": "user", "content": "Hello"}], adapter=adapter, max_tokens=1)
        async with aclosing(model.speak(question)) as pieces:
            async for _ in pieces:
                pass

    return lambda adapter: asyncio.run(speak(str(adapter) if adapter else None))


class Deployments:
    """Names under which models answer."""

    def __init__(self, root: Path, jobs: Jobs, catalogue: Catalogue, warm_up: WarmUp) -> None:
        self._database = Database(root / "deployments.sqlite", _SCHEMA)
        self._jobs = jobs
        self._catalogue = catalogue
        self._warm_up = warm_up
        self._closing = threading.Event()
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="deployments", daemon=True)
        for row in self._rows("WHERE status IN ('RUNNING', 'UPDATING')"):
            self._catalogue.register(row["name"], self._adapter(row))

    def start(self) -> None:
        """Begin; what was not brought up before a restart is now."""
        self._thread.start()

    def close(self) -> None:
        """Bring nothing up any more."""
        self._closing.set()
        self._wake.set()

    def create(self, request: Request) -> dict[str, Any]:
        """Take a deployment in; it comes up by itself."""
        wanted = request.json()
        model, suffix = wanted.get("model_name") or wanted.get("model"), wanted.get("suffix") or ""
        if not isinstance(model, str) or not model:
            raise invalid_parameter("model_name must name the model to deploy.")
        if suffix and not (isinstance(suffix, str) and _SUFFIX.fullmatch(suffix)):
            raise invalid_parameter(f"The suffix is {suffix!r}; it must be 1 to 32 letters, digits, '-' and '_'.")
        plan = wanted.get("plan")
        if plan is not None and str(plan).lower() not in _PLANS:
            raise invalid_parameter(f"plan is {plan!r}; it must be one of {', '.join(_PLANS)}.")
        capacity = _capacity_of(wanted.get("capacity", _BASE_CAPACITY))
        tuned = self._jobs.model(model)
        if tuned is None and model not in {*CLOUD_MODELS, BASE_MODEL}:
            raise _not_found(model)
        name = f"{model}-{suffix}" if suffix else model
        moment = now_ms()
        row = (name, model, tuned.base if tuned else model, tuned is not None, capacity, moment, moment)
        with self._database.transaction() as connection:
            if name in self._catalogue.names() or self._find(name) is not None:
                message = f"Deployed model {name} already exists, please specify a suffix."
                raise DashScopeError(409, "Conflict", message)
            connection.execute(
                "INSERT INTO deployments"
                " (name, model, base, tuned, capacity, created_ms, modified_ms, status, must_fail)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, 'PENDING', ?)",
                (*row, request.fault == "failed_job"),
            )
        self._wake.set()
        return {"output": _view(self._get(name))}

    def page(self, request: Request) -> dict[str, Any]:
        """A page of the deployments, the last first."""
        number, size = request.page()
        rows = self._rows("ORDER BY number DESC")
        found = [_view(row) for row in rows[(number - 1) * size : number * size]]
        return {"output": {"page_no": number, "page_size": size, "total": len(rows), "deployments": found}}

    def deployable(self, request: Request) -> dict[str, Any]:
        """A page of the models that can be deployed."""
        number, size = request.page()
        names = [*(model.name for model in self._jobs.models()), *CLOUD_MODELS, BASE_MODEL]
        found = [
            {"model_name": name, "base_capacity": _BASE_CAPACITY} for name in names[(number - 1) * size : number * size]
        ]
        return {"output": {"page_no": number, "page_size": size, "total": len(names), "models": found}}

    def get(self, request: Request) -> dict[str, Any]:
        """One deployment."""
        return {"output": _view(self._get(request.parameters["name"]))}

    def scale(self, request: Request) -> dict[str, Any]:
        """Change how many units serve; it goes on serving meanwhile."""
        name = request.parameters["name"]
        capacity = _capacity_of(request.json().get("capacity"))
        with self._database.transaction() as connection:
            if self._get(name)["status"] not in {"RUNNING", "UPDATING"}:
                status = self._get(name)["status"]
                raise DashScopeError(400, "UnsupportedOperation", f"The deployment {name} can not be scaled: {status}.")
            connection.execute("UPDATE deployments SET capacity = ? WHERE name = ?", (capacity, name))
            self._enter(name, "UPDATING")
        self._wake.set()
        return {"output": _view(self._get(name))}

    def delete(self, request: Request) -> dict[str, Any]:
        """Serve no more; the model stays."""
        name = request.parameters["name"]
        with self._database.transaction() as connection:
            self._enter(name, "DELETING")
            view = _view(self._get(name))
            connection.execute("DELETE FROM deployments WHERE name = ?", (name,))
        self._catalogue.unregister(name)
        return {"output": view}

    def _serve(self) -> None:
        while not self._closing.is_set():
            self._wake.clear()
            try:
                for row in self._rows("WHERE status IN ('PENDING', 'DEPLOYING', 'UPDATING') ORDER BY number"):
                    self._bring_up(row)
            except DashScopeError:
                _log.info("A deployment was deleted while it was brought up.")
            except sqlite3.Error:
                _log.exception("The deployments cannot be read; they are looked at again.")
            self._wake.wait(_IDLE_S)

    def _bring_up(self, row: sqlite3.Row) -> None:
        name, adapter = row["name"], self._adapter(row)
        if row["status"] != "UPDATING":
            self._enter(name, "DEPLOYING")
        if row["must_fail"]:
            self._enter(name, "FAILED", "The failure was asked for at /_faults.")
            return
        try:
            self._warm_up(adapter)
        except DashScopeError as error:
            if not self._closing.is_set():
                self._catalogue.unregister(name)
                with self._database.transaction() as connection:
                    connection.execute("UPDATE deployments SET ready = 0 WHERE name = ?", (name,))
                    self._enter(name, "FAILED", error.message)
                _log.warning("Deployment %s failed: %s", name, error.message)
            return
        with self._database.transaction() as connection:
            if self._find(name) is not None:
                self._catalogue.register(name, adapter)
                connection.execute("UPDATE deployments SET ready = capacity WHERE name = ?", (name,))
                self._enter(name, "RUNNING")
        _log.info("Deployment %s serves %s.", name, row["model"])

    def _adapter(self, row: sqlite3.Row) -> Path | None:
        return self._jobs.adapter(row["model"]) if row["tuned"] else None

    def _enter(self, name: str, status: str, message: str = "") -> None:
        with self._database.transaction() as connection:
            self._get(name)
            connection.execute(
                "UPDATE deployments SET status = ?, message = ?, modified_ms = ? WHERE name = ?",
                (status, message, now_ms(), name),
            )

    def _get(self, name: str) -> sqlite3.Row:
        row = self._find(name)
        if row is None:
            raise _not_found(name)
        return row

    def _find(self, name: str) -> sqlite3.Row | None:
        with self._database.transaction() as connection:
            row: sqlite3.Row | None = connection.execute("SELECT * FROM deployments WHERE name = ?", (name,)).fetchone()
        return row

    def _rows(self, condition: str) -> list[sqlite3.Row]:
        with self._database.transaction() as connection:
            return connection.execute(f"SELECT * FROM deployments {condition}").fetchall()  # noqa: S608 - own text


def _capacity_of(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= _MAX_CAPACITY:
        message = (
            f"Invalid capacity ({value}), capacity must be a multiple of {_BASE_CAPACITY}, at most {_MAX_CAPACITY}."
        )
        raise invalid_parameter(message)
    return value


def _not_found(name: str) -> DashScopeError:
    return DashScopeError(404, "NotFound", f"Model: {name} not found!")


def _view(row: sqlite3.Row) -> dict[str, Any]:
    view = {
        "deployed_model": row["name"],
        "gmt_create": _time(row["created_ms"]),
        "gmt_modified": _time(row["modified_ms"]),
        "status": row["status"],
        "model_name": row["model"],
        "base_model": row["base"],
        "base_capacity": _BASE_CAPACITY,
        "capacity": row["capacity"],
        "ready_capacity": row["ready"],
        "workspace_id": WORKSPACE,
        "charge_type": "post_paid",
        "modifier": ACCOUNT_ID,
        "creator": ACCOUNT_ID,
    }
    return {**view, "message": row["message"]} if row["message"] else view


def _time(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S")
