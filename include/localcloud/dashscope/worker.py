"""The local cloud's end of the process that holds the models: started with the first question, again when it died."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

from localcloud.dashscope.errors import DashScopeError
from localcloud.processes import as_environment, base_environment

_log = logging.getLogger(__name__)
_TRIES = 2
_STOP_S = 3.0


class ModelWorker:
    """One question at a time: the model takes all cores that it was given for each of them."""

    def __init__(self, log: Path) -> None:
        self._log_path = log
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None
        self._closed = False

    def ask(self, question: dict[str, Any]) -> dict[str, Any]:
        """The answer; raises ``DashScopeError`` 500 when the process dies over the question twice."""
        line = json.dumps(question) + "\n"
        with self._lock:
            for _ in range(_TRIES):
                if self._closed:
                    break
                if (answer := self._try(line)) is not None:
                    return answer
        raise DashScopeError(500, "InternalError", f"The model's process ended; {self._log_path} says why.")

    def close(self) -> None:
        """Stop the process, if there is one, and start none any more; a question in work is not waited for."""
        self._closed = True
        process = self._process
        if process is not None:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(_STOP_S)
            process.kill()

    def _try(self, line: str) -> dict[str, Any] | None:
        process = self._running()
        try:
            process.stdin.write(line)  # type: ignore[union-attr]
            process.stdin.flush()  # type: ignore[union-attr]
            answer = process.stdout.readline()  # type: ignore[union-attr]
        except BrokenPipeError:
            answer = ""
        if not answer.endswith("\n"):
            _log.warning("The model's process %d ended with status %d.", process.pid, process.wait())
            return None
        content: dict[str, Any] = json.loads(answer)
        return content

    def _running(self) -> subprocess.Popen[str]:
        if self._process is not None and self._process.poll() is None:
            return self._process
        threads = str(max(1, (os.cpu_count() or 1) // 2))
        own = {"OMP_NUM_THREADS": threads, "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
        self._log_path.parent.mkdir(parents=True, exist_ok=True)
        with self._log_path.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "localcloud.dashscope.models"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=as_environment(base_environment(), own),
                text=True,
                encoding="utf-8",
            )
        _log.info("The model's process %d was started with %s threads.", self._process.pid, threads)
        return self._process
