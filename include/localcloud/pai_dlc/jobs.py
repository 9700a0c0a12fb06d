"""The jobs of PAI-DLC on disk, with every status they were in."""

from __future__ import annotations

import json
import secrets
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from localcloud.acs.errors import AcsError
from localcloud.database import Database
from localcloud.timestamps import now_ms

FINAL = frozenset({"Succeeded", "Failed", "Stopped"})
_SCHEMA = """
CREATE TABLE IF NOT EXISTS jobs (
    id TEXT PRIMARY KEY, created_ms INTEGER NOT NULL, spec TEXT NOT NULL, stop_requested INTEGER NOT NULL DEFAULT 0,
    must_fail INTEGER NOT NULL, finished INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS unfinished_jobs ON jobs (id) WHERE NOT finished;
CREATE TABLE IF NOT EXISTS transitions (
    ordinal INTEGER PRIMARY KEY AUTOINCREMENT, job TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    status TEXT NOT NULL, at_ms INTEGER NOT NULL, reason_code TEXT NOT NULL, reason_message TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS transitions_of_job ON transitions (job, ordinal);
"""


@dataclass(frozen=True, slots=True)
class Transition:
    """A job came into ``status`` at ``at_ms`` (milliseconds since the epoch)."""

    status: str
    at_ms: int
    reason_code: str
    reason_message: str


@dataclass(frozen=True, slots=True)
class Job:
    """One job: what was asked for, and its statuses, the oldest first. ``must_fail``: a test wants to see it fail."""

    id: str
    created_ms: int
    spec: dict[str, Any]
    stop_requested: bool
    must_fail: bool
    transitions: tuple[Transition, ...]

    @property
    def status(self) -> str:
        """The status now."""
        return self.transitions[-1].status

    @property
    def finished(self) -> bool:
        """Whether nothing will happen to the job any more."""
        return self.status in FINAL

    def entered_ms(self, *statuses: str) -> int | None:
        """When the job first came into one of these statuses."""
        return next((each.at_ms for each in self.transitions if each.status in statuses), None)


class Jobs:
    """All jobs of one state folder."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._database = Database(root / "jobs.sqlite", _SCHEMA)

    def folder(self, job_id: str) -> Path:
        """Where the job's files lie."""
        return self._root / "jobs" / job_id

    def create(self, spec: dict[str, Any], *, must_fail: bool = False) -> Job:
        """Take a new job in; its status is Creating."""
        job_id = f"dlc{secrets.token_hex(8)}"
        with self._database.transaction() as connection:
            moment = now_ms()
            connection.execute(
                "INSERT INTO jobs (id, created_ms, spec, must_fail) VALUES (?, ?, ?, ?)",
                (job_id, moment, json.dumps(spec), must_fail),
            )
            _enter(connection, job_id, Transition("Creating", moment, "", ""))
        return self.get(job_id)

    def get(self, job_id: str) -> Job:
        """The job; raises ``JobNotExist``."""
        with self._database.transaction() as connection:
            return _job_of(connection, job_id)

    def all(self) -> list[Job]:
        """Every job, the oldest first."""
        return self._select("SELECT id FROM jobs ORDER BY created_ms, id")

    def unfinished(self) -> list[Job]:
        """The jobs that are not at their end."""
        return self._select("SELECT id FROM jobs WHERE NOT finished")

    def _select(self, query: str) -> list[Job]:
        with self._database.transaction() as connection:
            return [_job_of(connection, row["id"]) for row in connection.execute(query).fetchall()]

    def enter(self, job_id: str, status: str, code: str = "", message: str = "", *, at_ms: int | None = None) -> None:
        """Note that the job came into a status; a finished one stays as it is, a stopping one can only finish."""
        with self._database.transaction() as connection:
            job = _job_of(connection, job_id)
            barred = job.finished or (job.stop_requested and status not in FINAL)
            if not barred and job.status != status:
                _enter(connection, job_id, Transition(status, at_ms or now_ms(), code, message))

    def request_stop(self, job_id: str) -> Job:
        """Ask for the job's end; one that did not start yet ends at once."""
        with self._database.transaction() as connection:
            job = _job_of(connection, job_id)
            if not job.finished and not job.stop_requested:
                connection.execute("UPDATE jobs SET stop_requested = 1 WHERE id = ?", (job_id,))
                code, message = "StoppedByUser", "The job was stopped."
                _enter(connection, job_id, Transition("Stopping", now_ms(), code, message))
                if job.status in {"Creating", "Queuing"}:
                    _enter(connection, job_id, Transition("Stopped", now_ms(), code, message))
            return _job_of(connection, job_id)

    def delete(self, job_id: str) -> None:
        """Forget a finished job; raises ``JobNotFinished`` for one that is not."""
        with self._database.transaction() as connection:
            job = _job_of(connection, job_id)
            if not job.finished:
                raise AcsError(400, "JobNotFinished", f"The job {job_id} is {job.status}; stop it before deleting it.")
            connection.execute("DELETE FROM jobs WHERE id = ?", (job_id,))


def _job_of(connection: sqlite3.Connection, job_id: str) -> Job:
    row = connection.execute("SELECT * FROM jobs WHERE id = ?", (job_id,)).fetchone()
    if row is None:
        raise AcsError(404, "JobNotExist", f"The job {job_id} does not exist.")
    rows = connection.execute("SELECT * FROM transitions WHERE job = ? ORDER BY ordinal", (job_id,))
    return _from_row(row, [_transition_of(each) for each in rows])


def _from_row(row: sqlite3.Row, transitions: Iterable[Transition]) -> Job:
    return Job(
        id=row["id"],
        created_ms=row["created_ms"],
        spec=json.loads(row["spec"]),
        stop_requested=bool(row["stop_requested"]),
        must_fail=bool(row["must_fail"]),
        transitions=tuple(transitions),
    )


def _transition_of(row: sqlite3.Row) -> Transition:
    return Transition(row["status"], row["at_ms"], row["reason_code"], row["reason_message"])


def _enter(connection: sqlite3.Connection, job_id: str, transition: Transition) -> None:
    connection.execute(
        "INSERT INTO transitions (job, status, at_ms, reason_code, reason_message) VALUES (?, ?, ?, ?, ?)",
        (job_id, transition.status, transition.at_ms, transition.reason_code, transition.reason_message),
    )
    connection.execute("UPDATE jobs SET finished = ? WHERE id = ?", (transition.status in FINAL, job_id))
