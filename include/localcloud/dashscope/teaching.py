"""The reranker's teaching as the local cloud sees it: begun with the first rerank call, once for a cache folder."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

from localcloud.dashscope.cache import teaching_steps
from localcloud.dashscope.pipes import model_environment

_log = logging.getLogger(__name__)
_STOP_S = 3.0


class Teaching:
    """Runs ``teach_reranker`` in a process of low priority; what it had learned when it was stopped is not lost."""

    def __init__(self, cache: Path, log: Path) -> None:
        self._cache = cache
        self._log_path = log
        self._lock = threading.Lock()
        self._begun = False
        self._process: subprocess.Popen[bytes] | None = None

    def begin(self) -> None:
        """Start it unless it was started or the environment forbids it."""
        with self._lock:
            if self._begun:
                return
            self._begun = True
            steps = teaching_steps()
            if steps == 0:
                _log.info("The reranker is not taught here; it ranks by the cosine alone unless it was taught before.")
                return
            command = [sys.executable, "-m", "localcloud.dashscope.teach_reranker", str(self._cache)]
            self._log_path.parent.mkdir(parents=True, exist_ok=True)
            with self._log_path.open("ab") as log:
                # Standard input is a pipe whose end it notices: it goes when the local cloud goes, however that goes.
                self._process = subprocess.Popen(
                    [*command, "--steps", str(steps), "--with-parent"],
                    stdin=subprocess.PIPE,
                    stdout=log,
                    stderr=log,
                    env=model_environment(),
                )
        _log.info("The reranker is taught in process %d; until then the cosine ranks.", self._process.pid)

    def close(self) -> None:
        """Stop it, and begin no more."""
        with self._lock:
            self._begun = True
            process = self._process
        if process is not None:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(_STOP_S)
            process.kill()
