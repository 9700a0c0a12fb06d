"""Processes of jobs and services: told apart by pid and start time, ended with everything they started."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

# What a command gets of the local cloud's own environment: enough to run Python, and no secret.
_INHERITED = ("HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "PYTHONPATH", "LD_LIBRARY_PATH", "HF_HUB_OFFLINE", "HF_HOME")


@dataclass(frozen=True, slots=True)
class ProcessId:
    """A process that no later one can be mistaken for; ``started`` in seconds since the epoch."""

    pid: int
    started: float

    @classmethod
    def of(cls, pid: int) -> ProcessId | None:
        """The process that has this pid now, if there is one."""
        try:
            return cls(pid, psutil.Process(pid).create_time())
        except psutil.NoSuchProcess:
            return None

    def find(self) -> psutil.Process | None:
        """The process, if it still runs."""
        try:
            process = psutil.Process(self.pid)
            # The start time is computed from the boot time, which a clock correction moves a little.
            same = abs(process.create_time() - self.started) < 2 and process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return None
        return process if same else None


def base_environment() -> dict[str, str]:
    """The environment of a command before its own variables; ``python`` is the local cloud's interpreter."""
    environment = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    path = os.environ.get("PATH", os.defpath)
    return {**environment, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{path}", "PYTHONUNBUFFERED": "1"}


def end(processes: Iterable[ProcessId], *, grace_s: float) -> None:
    """Ask processes and their descendants to stop, and kill what is left after ``grace_s`` seconds."""
    roots = [process for identity in processes if (process := identity.find()) is not None]
    doomed = [each for root in roots for each in (root, *_descendants(root))]
    _signal(doomed, signal.SIGTERM)
    _, alive = psutil.wait_procs(doomed, timeout=grace_s)
    # Children that were started meanwhile go too.
    late = [child for process in alive for child in _descendants(process)]
    _signal([*alive, *late], signal.SIGKILL)
    psutil.wait_procs(alive, timeout=5)


def kill_marked(variable: str, value: str) -> None:
    """Kill every process that has this environment variable with this value, and wait until they are gone."""
    marked = [
        process
        for process in psutil.process_iter(["environ"])
        if (process.info["environ"] or {}).get(variable) == value
    ]
    _signal(marked, signal.SIGKILL)
    psutil.wait_procs(marked, timeout=5)


def _descendants(process: psutil.Process) -> list[psutil.Process]:
    try:
        found: list[psutil.Process] = process.children(recursive=True)
    except psutil.NoSuchProcess:
        return []
    return found


def _signal(processes: Iterable[psutil.Process], number: signal.Signals) -> None:
    for process in processes:
        try:
            process.send_signal(number)
        except psutil.NoSuchProcess:
            continue


def as_environment(base: Mapping[str, str], own: Mapping[str, object]) -> dict[str, str]:
    """``base`` with a command's own variables as text; the own ones win."""
    return {**base, **{name: str(value) for name, value in own.items()}}
