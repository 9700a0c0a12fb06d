"""A run of ``pai_dlc.runner`` as the local cloud sees it: begun once, found again after a restart, stopped, ended.

The runner is a process of its own that a killed local cloud leaves behind; the files of its folder say how far it is.
"""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import localcloud
from localcloud.pai_dlc.runner import GRACE_S
from localcloud.processes import base_environment, kill_marked

_POLL_S = 0.2
_START_S = 60.0


class RunnerError(Exception):
    """The runner did not start."""


class DetachedRun:
    """The run of one folder. ``marker``: name and value of a variable that all its processes have."""

    def __init__(self, folder: Path, marker: tuple[str, str], closing: threading.Event) -> None:
        self._folder = folder
        self._marker = marker
        self._closing = closing
        self._runner: subprocess.Popen[bytes] | None = None

    @property
    def prepared(self) -> bool:
        """Whether ``run.json``, which says what to run, is there."""
        return (self._folder / "run.json").exists()

    @property
    def started_ms(self) -> int | None:
        """When the run began, in milliseconds since the epoch; None when it did not."""
        started = self._folder / "started.json"
        if not started.exists():
            return None
        began: int = json.loads(started.read_bytes())["time_ms"]
        return began

    def stop(self) -> None:
        """Ask for the end; a run that did not begin ends as soon as it does."""
        (self._folder / "stop").touch()

    def start(self) -> bool:
        """Begin, unless it began before; False when the local cloud closes meanwhile. Raises ``RunnerError``."""
        if self.started_ms is not None:
            return True
        name, value = self._marker
        with (self._folder / "runner.log").open("ab") as log:
            self._runner = subprocess.Popen(
                [sys.executable, "-m", "localcloud.pai_dlc.runner", str(self._folder)],
                env={**base_environment(), "PYTHONPATH": python_path(), name: value},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        deadline = time.monotonic() + _START_S
        while self.started_ms is None:
            if self._closing.wait(0.05):
                return False
            # A short run may have begun and ended since the last look.
            gone = self._runner.poll() is not None and self.started_ms is None
            if gone or time.monotonic() > deadline:
                self._runner.kill()
                raise RunnerError("The job's runner did not start.")
        return True

    def follow(self, *, must_stop: Callable[[], bool], meanwhile: Callable[[], None]) -> dict[str, Any] | None:
        """Wait for the end, looking after ``meanwhile`` each time; None when the local cloud closes before it."""
        result_file, stop_by = self._folder / "result.json", None
        while not result_file.exists():
            if self._runner is not None:
                self._runner.poll()
            if not self._lives() and not result_file.exists():
                self.kill()
                return failed("RunnerLost", "The job's runner died; its pods were ended.")
            if stop_by is None and must_stop():
                stop_by = time.monotonic() + GRACE_S + 10
                self.stop()
            if stop_by is not None and time.monotonic() > stop_by:
                self.kill()
                return {"status": "Stopped", "code": "StoppedByUser", "message": "The job was killed."}
            meanwhile()
            if self._closing.wait(_POLL_S):
                return None
        result: dict[str, Any] = json.loads(result_file.read_bytes())
        return result

    def kill(self) -> None:
        """Kill the runner and everything that it started."""
        kill_marked(*self._marker)
        if self._runner is not None:
            self._runner.wait()

    def _lives(self) -> bool:
        with (self._folder / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False


def failed(code: str, message: str) -> dict[str, Any]:
    """A result as the runner writes it."""
    return {"status": "Failed", "code": code, "message": message}


def python_path() -> str:
    """Where processes of the local cloud find this package."""
    return os.pathsep.join(filter(None, [str(Path(localcloud.__path__[0]).parent), os.environ.get("PYTHONPATH")]))
