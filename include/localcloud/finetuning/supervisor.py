"""Brings every fine-tune from PENDING to its end, one after the other, also across restarts of the local cloud."""

from __future__ import annotations

import json
import logging
import os
import shlex
import shutil
import sqlite3
import sys
import threading
from pathlib import Path
from typing import Any

from localcloud.dashscope.errors import DashScopeError
from localcloud.detached import DetachedRun, RunnerError, failed, python_path
from localcloud.finetuning.jobs import Job, Jobs
from localcloud.pai_dlc.runner import write_json
from localcloud.processes import as_environment, base_environment

_log = logging.getLogger(__name__)
_IDLE_S = 5.0
_RETRY_S = 1.0
POD = "training"
# Every process of a fine-tune has this variable with the job's folder: ids alone may be the same in two local clouds.
_VARIABLE = "FINE_TUNE_FOLDER"


class Supervisor:
    """One thread that looks after the fine-tune that runs and lets the others queue."""

    def __init__(self, jobs: Jobs) -> None:
        self._jobs = jobs
        self._closing = threading.Event()
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="fine-tunes", daemon=True)

    def start(self) -> None:
        """Begin; a fine-tune that a killed local cloud left is found again."""
        self._thread.start()

    def close(self) -> None:
        """Let go of the fine-tune that runs without ending it: a later start finds it again."""
        self._closing.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(timeout=3)

    def wake(self) -> None:
        """Look at the jobs now."""
        self._wake.set()

    def _serve(self) -> None:
        while not self._closing.is_set():
            self._wake.clear()
            try:
                self._queue()
                # What has a place already, before a restart, goes on first.
                waiting = sorted(self._jobs.unfinished(), key=lambda job: job.status in {"PENDING", "QUEUING"})
                if waiting:
                    self._drive(waiting[0])
                    continue
            except sqlite3.Error:
                _log.exception("The fine-tunes cannot be read; they are looked at again.")
                self._closing.wait(_RETRY_S)
            self._wake.wait(_IDLE_S)

    def _queue(self) -> None:
        for job in self._jobs.unfinished():
            if job.status == "PENDING":
                self._jobs.enter(job.id, "QUEUING")

    def _drive(self, job: Job) -> None:
        try:
            result = self._run(job)
            if result is not None:
                self._finish(job, result)
        except RunnerError as error:
            self._jobs.enter(job.id, "FAILED", code="InternalError", message=str(error))
        except DashScopeError:
            _log.info("Fine-tune %s was deleted while it was looked after.", job.id)
        except OSError as error:
            _log.exception("Fine-tune %s cannot be looked after.", job.id)
            self._jobs.enter(job.id, "FAILED", code="InternalError", message=f"The job's files failed: {error}.")

    def _run(self, job: Job) -> dict[str, Any] | None:
        folder = self._jobs.folder(job.id)
        run = DetachedRun(folder, (_VARIABLE, str(folder)), self._closing)
        if run.started_ms is None and self._must_stop(job):
            run.stop()
        if not run.start():
            return None
        self._jobs.enter(job.id, "RUNNING")
        if job.must_fail:
            run.kill()
            write_json(folder / "result.json", failed("InternalError", "The failure was asked for at /_faults."))
        result = run.follow(must_stop=lambda: self._must_stop(job), meanwhile=self._queue)
        if result is not None:
            run.kill()
        return result

    def _must_stop(self, job: Job) -> bool:
        """A job may be canceled, or even deleted, between being chosen from the queue and its process's start."""
        try:
            return self._jobs.get(job.id).status in {"CANCELING", "CANCELED"}
        except DashScopeError:
            return True

    def _finish(self, job: Job, result: dict[str, Any]) -> None:
        folder = self._jobs.folder(job.id)
        outcome_file = folder / "outcome.json"
        outcome = json.loads(outcome_file.read_bytes()) if outcome_file.exists() else {}
        if result["status"] == "Stopped":
            self._jobs.enter(job.id, "CANCELED")
        elif result["status"] == "Succeeded":
            kept = self._jobs.adapter(job.output)
            kept.parent.mkdir(parents=True, exist_ok=True)
            # Moved before it is said, so that a restart in between finds it either here or there.
            if not kept.exists():
                (folder / "adapter").rename(kept)
            self._jobs.succeed(job, tokens=outcome["tokens"])
        else:
            code = outcome.get("code") or result["code"]
            self._jobs.enter(job.id, "FAILED", code=code, message=outcome.get("message") or result["message"])
        shutil.rmtree(folder / "work", ignore_errors=True)
        _log.info("Fine-tune %s ended %s.", job.id, self._jobs.get(job.id).status)


def prepare(folder: Path, training: dict[str, Any]) -> None:
    """Write what the job's process and its runner read; ``data/`` is there already."""
    write_json(folder / "training.json", training)
    command = shlex.join([sys.executable, "-m", "localcloud.finetuning.training", str(folder)])
    own = {
        _VARIABLE: folder,
        "PYTHONPATH": python_path(),
        "OMP_NUM_THREADS": max(1, (os.cpu_count() or 1) // 2),
        # Cores are shared: who waits for another thread must not burn one.
        "OMP_WAIT_POLICY": "PASSIVE",
        "HF_HUB_OFFLINE": 1,
        "TQDM_DISABLE": 1,
        "TOKENIZERS_PARALLELISM": "false",
    }
    pod = {
        "name": POD,
        "command": f"exec {command}",
        "cwd": str(folder),
        "env": as_environment(base_environment(), own),
    }
    write_json(folder / "run.json", {"max_running_s": None, "pods": [pod]})
