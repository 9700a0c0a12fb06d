"""The local cloud's end of the process that holds MiniLM: started with the first question, again when it died."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from localcloud.dashscope.errors import DashScopeError
from localcloud.dashscope.pipes import ModelProcess
from localcloud.dashscope.teaching import Teaching

_TRIES = 2
# Others may ask between two of these.
_RANKED_AT_ONCE = 32


class ModelWorker:
    """One question at a time, first come, first served: who has many asks them one by one and lets others in."""

    def __init__(self, cache: Path, log: Path) -> None:
        self._cache = cache
        self._teaching = Teaching(cache, log.with_name("teaching.log"))
        self._log_path = log
        self._line = ThreadPoolExecutor(1, thread_name_prefix="models")
        self._process: ModelProcess | None = None
        self._closed = False

    def ask(self, question: dict[str, Any]) -> dict[str, Any]:
        """The answer; raises ``DashScopeError`` 500 when the process dies over the question twice."""
        try:
            return self._line.submit(self._ask, question).result()
        except (RuntimeError, CancelledError):
            # No thread takes questions after close(), and those that waited are dropped.
            raise self._gone() from None

    def rank(self, query: str, texts: Sequence[str]) -> tuple[list[float], int]:
        """Scores from 0 to 1 and the tokens that were read; the first call begins the reranker's teaching.

        Texts that are too long are cut by the models, as the cloud cuts them.
        """
        self._teaching.begin()
        scores: list[float] = []
        tokens = 0
        for start in range(0, len(texts), _RANKED_AT_ONCE):
            answer = self.ask({"query": query, "documents": texts[start : start + _RANKED_AT_ONCE]})
            scores += answer["scores"]
            tokens += answer["tokens"]
        return scores, tokens

    def close(self) -> None:
        """Stop the process, if there is one, and start none any more; a question in work is not waited for."""
        self._closed = True
        self._teaching.close()
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
            self._process = ModelProcess("localcloud.dashscope.models", self._cache, self._log_path)
        return self._process
