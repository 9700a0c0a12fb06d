"""The local cloud's end of the process that holds MiniLM: started with the first question, again when it died."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from localcloud.dashscope.errors import DashScopeError
from localcloud.dashscope.pipes import ModelProcess

_TRIES = 2


class ModelWorker:
    """One question at a time, first come, first served: who has many asks them one by one and lets others in."""

    def __init__(self, log: Path) -> None:
        self._log_path = log
        self._line = ThreadPoolExecutor(1, thread_name_prefix="models")
        self._process: ModelProcess | None = None
        self._closed = False

    def ask(self, question: dict[str, Any]) -> dict[str, Any]:
        """The answer; raises ``DashScopeError`` 500 when the process dies over the question twice."""
        try:
            return self._line.submit(self._ask, question).result()
        except RuntimeError:
            # No thread takes questions after close().
            raise self._gone() from None

    def close(self) -> None:
        """Stop the process, if there is one, and start none any more; a question in work is not waited for."""
        self._closed = True
        if self._process is not None:
            self._process.stop()
        self._line.shutdown(wait=False, cancel_futures=True)

    def _ask(self, question: dict[str, Any]) -> dict[str, Any]:
        for _ in range(_TRIES):
            if self._closed:
                break
            process = self._running()
            if process.write(question) and (answer := process.read()) is not None:
                return answer
        raise self._gone()

    def _gone(self) -> DashScopeError:
        return DashScopeError(500, "InternalError", f"The model's process ended; {self._log_path} says why.")

    def _running(self) -> ModelProcess:
        if self._process is None or not self._process.running:
            self._process = ModelProcess("localcloud.dashscope.models", self._log_path, {})
        return self._process
