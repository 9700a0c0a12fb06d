"""The models' processes and the pipes between them and the local cloud: one JSON object a line, both ways.

Pipes rather than ports: nobody else can ask, and when the local cloud goes, however it goes, the questions end and so
does the process.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from localcloud.processes import as_environment, base_environment

_log = logging.getLogger(__name__)
_STOP_S = 3.0


class ModelProcess:
    """A running process of a module of this package, as the local cloud sees it."""

    def __init__(self, module: str, cache: Path, log_path: Path) -> None:
        log_path.parent.mkdir(parents=True, exist_ok=True)
        with log_path.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", module, str(cache)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=model_environment(),
                text=True,
                encoding="utf-8",
            )
        self._questions, self._answers = _piped(self._process.stdin), _piped(self._process.stdout)
        self._writing = threading.Lock()
        _log.info("The process %d of %s was started.", self._process.pid, module)

    @property
    def running(self) -> bool:
        """Whether it has not ended yet."""
        return self._process.poll() is None

    def write(self, question: Mapping[str, Any]) -> bool:
        """Send a question; False when nobody reads any more."""
        line = json.dumps(question) + "\n"
        with self._writing:
            try:
                self._questions.write(line)
                self._questions.flush()
            except (BrokenPipeError, ValueError):
                return False
        return True

    def read(self) -> dict[str, Any] | None:
        """Wait for the next answer; None when the process has ended instead."""
        line = self._answers.readline()
        if not line.endswith("\n"):
            _log.warning("The process %d ended with status %d.", self._process.pid, self._process.wait())
            return None
        content: dict[str, Any] = json.loads(line)
        return content

    def stop(self) -> None:
        """End it; a question in work is not waited for."""
        self._process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_STOP_S)
        self._process.kill()


def model_environment() -> dict[str, str]:
    """The environment of a process that computes with a model: nothing is fetched, and cores are left to others."""
    # Half of them: the engines and the pipelines of the same machine want some too. PASSIVE: threads that wait sleep.
    threads = {"OMP_NUM_THREADS": str(max(1, (os.cpu_count() or 1) // 2)), "OMP_WAIT_POLICY": "PASSIVE"}
    quiet = {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false", "TQDM_DISABLE": "1"}
    return as_environment(base_environment(), {**threads, **quiet})


def answers_to_parent() -> IO[str]:
    """In a model's process: where answers go; what libraries print no longer gets between them."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return answers


def write_line(answers: IO[str], content: Mapping[str, Any]) -> None:
    """Send one answer."""
    answers.write(json.dumps(content) + "\n")
    answers.flush()


def _piped(pipe: IO[str] | None) -> IO[str]:
    if pipe is None:
        raise RuntimeError("A process was started without pipes.")
    return pipe
