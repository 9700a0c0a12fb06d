"""Asynchronous tasks on disk: what was submitted, how far it is, and how it ended."""

from __future__ import annotations

import sqlite3
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from localcloud.dashscope.errors import DashScopeError
from localcloud.database import Database
from localcloud.timestamps import now_ms

_SCHEMA = """
CREATE TABLE IF NOT EXISTS tasks (
    number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, model TEXT NOT NULL, url TEXT NOT NULL,
    status TEXT NOT NULL, must_fail INTEGER NOT NULL, submitted_ms INTEGER NOT NULL, scheduled_ms INTEGER,
    ended_ms INTEGER, tokens INTEGER NOT NULL DEFAULT 0, code TEXT, message TEXT
);
"""
_OPEN = ("PENDING", "RUNNING")
# The cloud's limit of a user's open tasks.
_MAX_OPEN = 50


@dataclass(frozen=True, slots=True)
class Task:
    """``status``: PENDING, RUNNING, SUCCEEDED, FAILED or CANCELED; times in milliseconds since the epoch."""

    id: str
    model: str
    url: str
    status: str
    must_fail: bool
    submitted_ms: int
    scheduled_ms: int | None
    ended_ms: int | None
    tokens: int
    code: str | None
    message: str | None


class Tasks:
    """The table."""

    def __init__(self, root: Path) -> None:
        self._database = Database(root / "tasks.sqlite", _SCHEMA)

    def add(self, *, model: str, url: str, must_fail: bool) -> Task:
        """Keep a new task; raises ``Throttling`` where too many wait."""
        task_id = str(uuid.uuid4())
        with self._database.transaction() as connection:
            waiting = connection.execute("SELECT COUNT(*) FROM tasks WHERE status IN (?, ?)", _OPEN).fetchone()[0]
            if waiting >= _MAX_OPEN:
                raise DashScopeError(429, "Throttling.AllocationQuota", f"At most {_MAX_OPEN} tasks may be open.")
            connection.execute(
                "INSERT INTO tasks (id, model, url, status, must_fail, submitted_ms) VALUES (?, ?, ?, 'PENDING', ?, ?)",
                (task_id, model, url, must_fail, now_ms()),
            )
        return self.get(task_id)

    def get(self, task_id: str) -> Task:
        """One task; raises ``NotFound``."""
        with self._database.transaction() as connection:
            row = connection.execute("SELECT * FROM tasks WHERE id = ?", (task_id,)).fetchone()
        if row is None:
            raise DashScopeError(404, "NotFound", f"The task {task_id!r} does not exist.")
        return _task(row)

    def begin_next(self) -> Task | None:
        """The oldest task that is not finished, now RUNNING; None when there is none."""
        with self._database.transaction() as connection:
            row = connection.execute(
                "SELECT id FROM tasks WHERE status IN (?, ?) ORDER BY number LIMIT 1", _OPEN
            ).fetchone()
            if row is None:
                return None
            connection.execute(
                "UPDATE tasks SET status = 'RUNNING', scheduled_ms = COALESCE(scheduled_ms, ?) WHERE id = ?",
                (now_ms(), row["id"]),
            )
        return self.get(row["id"])

    def end(self, task_id: str, *, tokens: int = 0, failure: DashScopeError | None = None) -> None:
        """Note that a task succeeded or failed."""
        status = "SUCCEEDED" if failure is None else "FAILED"
        said = (None, None) if failure is None else (failure.code, failure.message)
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE tasks SET status = ?, ended_ms = ?, tokens = ?, code = ?, message = ? WHERE id = ?",
                (status, now_ms(), tokens, *said, task_id),
            )

    def cancel(self, task_id: str) -> None:
        """Cancel a task that waits; raises ``UnsupportedOperation`` for any other."""
        with self._database.transaction() as connection:
            canceled = connection.execute(
                "UPDATE tasks SET status = 'CANCELED', ended_ms = ? WHERE id = ? AND status = 'PENDING'",
                (now_ms(), task_id),
            ).rowcount
        if not canceled:
            self.get(task_id)
            message = "Failed to cancel the task, please confirm if the task is in PENDING status."
            raise DashScopeError(400, "UnsupportedOperation", message)

    def page(self, filters: dict[str, Any], number: int, size: int) -> tuple[list[Task], int]:
        """The last tasks first, and how many there are; ``filters``: values of ``status`` and ``model``."""
        columns = [name for name in ("status", "model") if filters.get(name)]
        where = " AND ".join(["TRUE", *(f"{name} = ?" for name in columns)])
        values = [filters[name] for name in columns]
        with self._database.transaction() as connection:
            total = connection.execute(f"SELECT COUNT(*) FROM tasks WHERE {where}", values).fetchone()[0]  # noqa: S608
            rows = connection.execute(
                f"SELECT * FROM tasks WHERE {where} ORDER BY number DESC LIMIT ? OFFSET ?",  # noqa: S608
                (*values, size, (number - 1) * size),
            ).fetchall()
        return [_task(row) for row in rows], total


def clock_time(milliseconds: int | None) -> str | None:
    """As tasks are dated: ``2026-11-21 10:00:00.123``; None stays None."""
    if milliseconds is None:
        return None
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]


def _task(row: sqlite3.Row) -> Task:
    fields = {name: row[name] for name in Task.__slots__}
    return Task(**{**fields, "must_fail": bool(row["must_fail"])})
