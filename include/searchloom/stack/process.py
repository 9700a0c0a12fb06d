"""Start a part detached, find it again, and stop all of it.

A part leads a session of its own. Its record (``run/NAME.json``) holds the leader's pid and when that process started,
so that a pid which the system has given to somebody else is never mistaken for it. What belongs to a part: every
process of its session, and every process that inherited its mark in the environment (a child may start a session too).
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

from searchloom.errors import Terminal
from searchloom.stack.part import Launch

logger = logging.getLogger(__name__)

MARK = "SEARCHLOOM_PART"
CLOCK_SLACK = 2.0
"""Seconds by which the start time of one and the same process may differ between two readings."""
POLL = 0.1


@dataclass(frozen=True)
class Record:
    """Who leads a part's session: the pid, and the start of that process in seconds since the epoch."""

    pid: int
    started: float


class Keeper:
    """Starts, finds and stops the processes of the parts below one state folder."""

    def __init__(self, state: Path) -> None:
        self._run = state / "run"
        self._logs = state / "logs"
        self._mark = str(state.resolve())

    def log(self, name: str) -> Path:
        """Return the file that the part's output goes to."""
        return self._logs / f"{name}.log"

    def record(self, name: str) -> Record | None:
        """Return what is known of the last start of a part."""
        try:
            values = json.loads(self._record_path(name).read_text(encoding="utf-8"))
            return Record(int(values["pid"]), float(values["started"]))
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError):
            logger.warning("%s cannot be read; %s counts as not started.", self._record_path(name), name)
            return None

    def known(self) -> list[str]:
        """Return the names of all parts that were started and not stopped."""
        return sorted(path.stem for path in self._run.glob("*.json"))

    def leader(self, name: str) -> psutil.Process | None:
        """Return the living process that leads the part's session."""
        record = self.record(name)
        return _living(record) if record else None

    def members(self, name: str) -> list[psutil.Process]:
        """Return every living process that belongs to the part, the leader's orphans too."""
        record = self.record(name)
        session = _session_of(record) if record else None
        mark = f"{self._mark}:{name}"
        return [process for process in psutil.process_iter() if _belongs(process, session, record, mark)]

    def listener(self, name: str, port: int) -> psutil.Process | None:
        """Return the process of this part that listens on ``port``."""
        for process in self.members(name):
            with contextlib.suppress(psutil.Error):
                for connection in process.net_connections(kind="tcp"):
                    if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port:
                        return process
        return None

    def start(self, name: str, launch: Launch) -> Record:
        """Start a part in a session of its own and note it; returns at once.

        Raises ``Terminal`` when the program cannot be started at all.
        """
        self._run.mkdir(parents=True, exist_ok=True)
        self._logs.mkdir(parents=True, exist_ok=True)
        log = self.log(name)
        if log.exists():
            log.replace(log.with_suffix(".log.1"))
        account = launch.account
        with log.open("ab") as output:
            try:
                child = subprocess.Popen(
                    launch.command,
                    cwd=launch.folder,
                    env={**launch.environment, MARK: f"{self._mark}:{name}"},
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    user=account.uid if account else None,
                    group=account.gid if account else None,
                    extra_groups=[] if account else None,
                    umask=0o077,
                )
            except OSError as error:
                raise Terminal(f"cannot start {name} ({launch.command[0]}): {error.strerror or error}") from error
        record = Record(child.pid, psutil.Process(child.pid).create_time())
        text = json.dumps({"pid": record.pid, "started": record.started})
        path = self._record_path(name)
        path.with_suffix(".new").write_text(text, encoding="utf-8")
        path.with_suffix(".new").replace(path)
        child.returncode = 0  # it outlives us on purpose: keep subprocess from warning about it
        return record

    def stop(self, name: str, grace: float) -> int:
        """Stop all that belongs to a part: SIGTERM, after ``grace`` seconds SIGKILL. Returns how many there were.

        Raises ``Terminal`` when something is left even so.
        """
        found = self.members(name)
        for process in found:
            _signal(process, signal.SIGTERM)
        deadline = time.monotonic() + grace
        left = found
        while left and time.monotonic() < deadline:
            time.sleep(POLL)
            left = self.members(name)
        self._kill(name)
        self._record_path(name).unlink(missing_ok=True)
        return len(found)

    def _kill(self, name: str) -> None:
        deadline = time.monotonic() + 10
        while left := self.members(name):
            for process in left:
                _signal(process, signal.SIGKILL)
            if time.monotonic() > deadline:
                pids = ", ".join(str(process.pid) for process in left)
                raise Terminal(
                    f"{name} does not stop: process {pids} survived SIGKILL; look at it with 'ps' and try again"
                )
            time.sleep(POLL)

    def tail(self, name: str, lines: int = 15) -> str:
        """Return the last lines of the part's log."""
        try:
            with self.log(name).open("rb") as file:
                file.seek(max(0, file.seek(0, os.SEEK_END) - 32768))
                text = file.read().decode(errors="replace")
        except FileNotFoundError:
            return "(no log)"
        return "\n".join(text.splitlines()[-lines:]) or "(empty log)"

    def _record_path(self, name: str) -> Path:
        return self._run / f"{name}.json"


def _living(record: Record) -> psutil.Process | None:
    try:
        process = psutil.Process(record.pid)
        same = abs(process.create_time() - record.started) < CLOCK_SLACK
        return process if same and _runs(process) else None
    except psutil.NoSuchProcess:
        return None


def _session_of(record: Record) -> int | None:
    """Return the part's session id, or None when its number now belongs to somebody else's process.

    The system gives no pid away while a session of that number exists, so a stranger's process under the leader's pid
    means that nothing of the session is left.
    """
    try:
        process = psutil.Process(record.pid)
        return record.pid if abs(process.create_time() - record.started) < CLOCK_SLACK else None
    except psutil.NoSuchProcess:
        return record.pid


def _belongs(process: psutil.Process, session: int | None, record: Record | None, mark: str) -> bool:
    try:
        if process.pid == os.getpid() or not _runs(process):
            return False
        if session is not None and record is not None and os.getsid(process.pid) == session:
            return process.create_time() >= record.started - CLOCK_SLACK
        return process.environ().get(MARK) == mark
    except (psutil.Error, OSError):
        return False


def _runs(process: psutil.Process) -> bool:
    # A zombie is dead; where process 1 reaps nobody it would otherwise count as alive for ever.
    return process.status() != psutil.STATUS_ZOMBIE


def _signal(process: psutil.Process, number: signal.Signals) -> None:
    # psutil checks the start time again before it signals, so a recycled pid is never hit.
    with contextlib.suppress(psutil.NoSuchProcess):
        process.send_signal(number)
