"""Start, watch and stop the local stack: ``up``, ``down``, ``status``."""

from __future__ import annotations

import fcntl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import psutil

from searchloom.errors import Terminal, UsageError
from searchloom.settings import Settings
from searchloom.stack import endpoints, parts, ports
from searchloom.stack.part import Part
from searchloom.stack.process import Keeper, Record

POLL = 0.3
DEFAULT_GRACE = 20.0
ORPHAN_GRACE = 5.0
"""Seconds that the children of a dead part get: a task tells Airflow that it was stopped, nothing else needs more."""
Item = TypeVar("Item")
Say = Callable[[str, str], None]
"""Told the name of a part and what has just become of it."""


@dataclass(frozen=True)
class Status:
    """One part now. ``state``: running, starting (alive, not yet well), stopped, or external (not ours to start)."""

    name: str
    state: str
    pid: int | None
    url: str
    version: str


def up(settings: Settings, *, without: frozenset[str] = frozenset(), say: Say) -> list[Status]:
    """Start what does not run, wait until everything is healthy, return the status.

    A part that runs is left alone; one that died is started again on its data, after what is left of it is stopped.
    Raises ``UsageError`` for an unknown name or a busy port, ``Terminal`` with the end of a part's log if it does not
    come up.
    """
    if settings.profile != "local":
        raise UsageError(
            f"profile {settings.profile!r} is not of this machine; only the profile 'local' can be started"
        )
    left_out = parts.expand(set(without))
    with exclusively(settings.state):
        keeper = Keeper(settings.state)
        wanted = [name for name in parts.local(endpoints.Asked(profile="local")) if name not in left_out]
        settings = endpoints.settle(settings, set(wanted), lambda name: keeper.leader(name) is not None)
        start_all([parts.describe(settings, name) for name in wanted], keeper, say)
    return status(settings)


def down(settings: Settings, *, say: Say) -> None:
    """Stop every part that was ever started and not stopped, and whatever they have started.

    Raises ``Terminal`` when a process survives even SIGKILL.
    """
    with exclusively(settings.state):
        keeper = Keeper(settings.state)
        names = keeper.known()
        # Airflow first: a task that loses its engine would fail, one that is stopped with Airflow is retried.
        waves = [
            [name for name in names if name in parts.AIRFLOW],
            [name for name in names if name not in parts.AIRFLOW],
        ]
        for wave in waves:
            _each(wave, lambda name: _stop(name, settings, keeper, say))


def status(settings: Settings) -> list[Status]:
    """Look at every part; starts and changes nothing."""
    keeper = Keeper(settings.state)
    local = set(parts.local(settings))
    with ThreadPoolExecutor(len(parts.NAMES)) as pool:
        return list(
            pool.map(lambda name: _look(parts.describe(settings, name), keeper, local=name in local), parts.NAMES)
        )


def start_all(wanted: list[Part], keeper: Keeper, say: Say) -> None:
    """Start parts side by side and wait until all are healthy; the first failure stops the waiting for the others."""
    stop = threading.Event()
    healthy = {part.name: threading.Event() for part in wanted}

    def work(part: Part) -> None:
        for need in part.needs & healthy.keys():
            while not healthy[need].wait(POLL):
                if stop.is_set():
                    return
        _bring_up(part, keeper, say, stop)
        if not stop.is_set():
            part.furnish()
            healthy[part.name].set()

    _each(wanted, work, stop)


def _each(items: Sequence[Item], work: Callable[[Item], None], stop: threading.Event | None = None) -> None:
    if not items:
        return
    with ThreadPoolExecutor(len(items)) as pool:
        jobs = [pool.submit(work, item) for item in items]
        wait(jobs, return_when=FIRST_EXCEPTION)
        if stop:
            stop.set()
    failures = [error for job in jobs if (error := job.exception()) is not None]
    if failures:
        raise failures[0]


def _bring_up(part: Part, keeper: Keeper, say: Say, stop: threading.Event) -> None:
    running = keeper.record(part.name) if keeper.leader(part.name) else None
    if running and _wait(part, running, keeper, stop):
        say(part.name, f"runs (process {_pid(part, keeper)})")
        return
    if stop.is_set():
        return
    if left := keeper.stop(part.name, ORPHAN_GRACE):
        say(part.name, f"had died; stopped {left} left-over processes of it")
    began = time.monotonic()
    launch = part.launch()
    if part.port is not None and not ports.is_free(part.port):
        raise UsageError(
            f"port {part.port} of {part.name} has just been taken by another process; run 'searchloom up' again"
        )
    say(part.name, "starting")
    record = keeper.start(part.name, launch)
    if _wait(part, record, keeper, stop):
        say(part.name, f"healthy after {time.monotonic() - began:.0f} s (process {_pid(part, keeper)})")
    elif not stop.is_set():
        raise Terminal(
            f"{part.name} stopped while it was starting; the end of {keeper.log(part.name)}:\n{keeper.tail(part.name)}"
        )


def _wait(part: Part, record: Record, keeper: Keeper, stop: threading.Event) -> bool:
    """Wait until the part is healthy; False when it died first, or when another part's failure ended the waiting.

    Raises ``Terminal`` when it lives but is not healthy after its patience.
    """
    deadline = time.monotonic() + part.patience
    while not stop.is_set():
        if keeper.leader(part.name) is None:
            return False
        if part.health(record.started) and (part.port is None or keeper.listener(part.name, part.port)):
            return True
        if time.monotonic() > deadline:
            raise Terminal(
                f"{part.name} is not healthy after {part.patience:.0f} s; the end of {keeper.log(part.name)}:\n"
                f"{keeper.tail(part.name)}",
            )
        time.sleep(POLL)
    return False


def _stop(name: str, settings: Settings, keeper: Keeper, say: Say) -> None:
    grace = parts.describe(settings, name).grace if name in parts.NAMES else DEFAULT_GRACE
    count = keeper.stop(name, grace)
    say(name, f"stopped ({count} processes)" if count else "was not running")


def _look(part: Part, keeper: Keeper, *, local: bool) -> Status:
    if not local:
        return Status(part.name, "external", None, part.url, part.version)
    record, leader = keeper.record(part.name), keeper.leader(part.name)
    if record is None or leader is None:
        return Status(part.name, "stopped", None, part.url, part.version)
    healthy = part.health(record.started) and (part.port is None or keeper.listener(part.name, part.port) is not None)
    return Status(part.name, "running" if healthy else "starting", _pid(part, keeper), part.url, part.version)


def _pid(part: Part, keeper: Keeper) -> int | None:
    """Return the process that serves: the one that listens, or the session's leader where nothing listens."""
    listener = keeper.listener(part.name, part.port) if part.port is not None else None
    process: psutil.Process | None = listener or keeper.leader(part.name)
    return process.pid if process else None


@contextmanager
def exclusively(state: Path) -> Iterator[None]:
    """Keep a second ``up`` or ``down`` of the same state folder waiting until the first is through."""
    state.mkdir(parents=True, exist_ok=True)
    with (state / "lifecycle.lock").open("w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
