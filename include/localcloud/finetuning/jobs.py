"""The fine-tunes on disk."""

from __future__ import annotations

import json
import secrets
import sqlite3
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from localcloud.dashscope.errors import DashScopeError
from localcloud.database import Database
from localcloud.timestamps import now_ms

FINAL = frozenset({"SUCCEEDED", "FAILED", "CANCELED"})
_SCHEMA = """
CREATE TABLE IF NOT EXISTS jobs (
    number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, created_ms INTEGER NOT NULL,
    status TEXT NOT NULL, wanted TEXT NOT NULL, output TEXT NOT NULL, must_fail INTEGER NOT NULL,
    ended_ms INTEGER, tokens INTEGER NOT NULL DEFAULT 0, code TEXT NOT NULL DEFAULT '',
    message TEXT NOT NULL DEFAULT ''
);
CREATE TABLE IF NOT EXISTS models (
    name TEXT PRIMARY KEY, base TEXT NOT NULL, job TEXT NOT NULL, created_ms INTEGER NOT NULL
) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class Job:
    """One fine-tune. ``wanted`` is the request and ``base_model``; ``output`` names the model that it makes.

    ``created_ms`` and ``ended_ms``: milliseconds since the epoch. ``tokens``: how many were trained on.
    ``must_fail``: a test wants to see it fail.
    """

    id: str
    created_ms: int
    status: str
    wanted: dict[str, Any]
    output: str
    must_fail: bool
    ended_ms: int | None
    tokens: int
    code: str
    message: str

    @property
    def finished(self) -> bool:
        """Whether nothing will happen to the job any more."""
        return self.status in FINAL


@dataclass(frozen=True, slots=True)
class Model:
    """What a fine-tune made, and of what: ``base`` is the cloud's model at the bottom."""

    name: str
    base: str


class Jobs:
    """All fine-tunes of one state folder, and the models that they made, which outlive them."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._database = Database(root / "jobs.sqlite", _SCHEMA)

    def folder(self, job_id: str) -> Path:
        """Where the job's files lie."""
        return self._root / "jobs" / job_id

    def adapter(self, model: str) -> Path:
        """Where the adapter of a model that was made lies."""
        return self._root / "models" / model

    def fresh_id(self) -> str:
        """An id that no job has or had the folder of, in the cloud's form."""
        while True:
            job_id = f"ft-{datetime.now(UTC):%Y%m%d%H%M}-{secrets.token_hex(2)}"
            if not self.folder(job_id).exists():
                return job_id

    def add(self, job_id: str, wanted: dict[str, Any], output: str, *, must_fail: bool) -> Job:
        """Take a new job in."""
        with self._database.transaction() as connection:
            connection.execute(
                "INSERT INTO jobs (id, created_ms, status, wanted, output, must_fail)"
                " VALUES (?, ?, 'PENDING', ?, ?, ?)",
                (job_id, now_ms(), json.dumps(wanted), output, must_fail),
            )
            return _job_of(connection, job_id)

    def get(self, job_id: str) -> Job:
        """The job; raises ``NotFound``."""
        with self._database.transaction() as connection:
            return _job_of(connection, job_id)

    def page(self, number: int, size: int) -> tuple[int, list[Job]]:
        """How many jobs there are, and a page of them, the last first."""
        with self._database.transaction() as connection:
            total: int = connection.execute("SELECT COUNT(*) FROM jobs").fetchone()[0]
            rows = connection.execute(
                "SELECT * FROM jobs ORDER BY number DESC LIMIT ? OFFSET ?", (size, (number - 1) * size)
            ).fetchall()
        return total, [_from_row(row) for row in rows]

    def unfinished(self) -> list[Job]:
        """The jobs that are not at their end, the oldest first."""
        with self._database.transaction() as connection:
            rows = connection.execute(
                "SELECT * FROM jobs WHERE status NOT IN ('SUCCEEDED', 'FAILED', 'CANCELED') ORDER BY number"
            ).fetchall()
        return [_from_row(row) for row in rows]

    def enter(self, job_id: str, status: str, *, code: str = "", message: str = "", tokens: int = 0) -> None:
        """Note that the job came into a status; a finished one stays as it is, one in CANCELING can only finish."""
        with self._database.transaction() as connection:
            job = _job_of(connection, job_id)
            if job.finished or (job.status == "CANCELING" and status not in FINAL):
                return
            ended = now_ms() if status in FINAL else None
            connection.execute(
                "UPDATE jobs SET status = ?, ended_ms = ?, code = ?, message = ?, tokens = ? WHERE id = ?",
                (status, ended, code, message, tokens, job_id),
            )

    def succeed(self, job: Job, *, tokens: int) -> None:
        """The job's end with a model."""
        base = job.wanted["base_model"]
        with self._database.transaction() as connection:
            connection.execute("INSERT OR IGNORE INTO models VALUES (?, ?, ?, ?)", (job.output, base, job.id, now_ms()))
            self.enter(job.id, "SUCCEEDED", tokens=tokens)

    def cancel(self, job_id: str) -> None:
        """Ask for the job's end; one that did not start ends at once. Raises ``UnsupportedOperation``."""
        with self._database.transaction() as connection:
            job = _job_of(connection, job_id)
            if job.finished:
                raise _unsupported(job, "canceled")
            self.enter(job_id, "CANCELED" if job.status in {"PENDING", "QUEUING"} else "CANCELING")

    def delete(self, job_id: str) -> None:
        """Forget a finished job; its model stays. Raises ``UnsupportedOperation``."""
        with self._database.transaction() as connection:
            job = _job_of(connection, job_id)
            if not job.finished:
                raise _unsupported(job, "deleted")
            connection.execute("DELETE FROM jobs WHERE id = ?", (job_id,))

    def model(self, name: str) -> Model | None:
        """A model that a job made."""
        with self._database.transaction() as connection:
            row = connection.execute("SELECT * FROM models WHERE name = ?", (name,)).fetchone()
        return None if row is None else Model(row["name"], row["base"])

    def models(self) -> list[Model]:
        """All models that jobs made, the oldest first."""
        with self._database.transaction() as connection:
            rows = connection.execute("SELECT * FROM models ORDER BY created_ms, name").fetchall()
        return [Model(row["name"], row["base"]) for row in rows]


def _unsupported(job: Job, done: str) -> DashScopeError:
    message = f"The fine-tune job {job.id} can not be {done} because it is {job.status}."
    return DashScopeError(400, "UnsupportedOperation", message)


def _job_of(connection: sqlite3.Connection, job_id: str) -> Job:
    row = connection.execute("SELECT * FROM jobs WHERE id = ?", (job_id,)).fetchone()
    if row is None:
        raise DashScopeError(404, "NotFound", f"The fine-tune job {job_id!r} does not exist.")
    return _from_row(row)


def _from_row(row: sqlite3.Row) -> Job:
    return Job(
        id=row["id"],
        created_ms=row["created_ms"],
        status=row["status"],
        wanted=json.loads(row["wanted"]),
        output=row["output"],
        must_fail=bool(row["must_fail"]),
        ended_ms=row["ended_ms"],
        tokens=row["tokens"],
        code=row["code"],
        message=row["message"],
    )
