"""Brings every job from Creating to its end, also across restarts of the local cloud."""

from __future__ import annotations

import fcntl
import json
import logging
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import localcloud
from localcloud.acs.errors import AcsError
from localcloud.mounts import Mount, MountError, Mounts
from localcloud.oss.errors import OssError
from localcloud.pai_dlc.jobs import Job, Jobs
from localcloud.pai_dlc.pods import JOB_VARIABLE, mounts_of, plan
from localcloud.pai_dlc.runner import GRACE_S, write_json
from localcloud.processes import base_environment, kill_marked

_log = logging.getLogger(__name__)
_POLL_S = 0.2
_SYNC_S = 3.0
_RUNNER_START_S = 60.0


class Supervisor:
    """One thread that hands out the places to run in, and one for each job that has a place."""

    def __init__(self, jobs: Jobs, mounts: Mounts, max_running: int) -> None:
        self._jobs = jobs
        self._mounts = mounts
        self._max_running = max_running
        self._drivers: dict[str, threading.Thread] = {}
        self._closing = threading.Event()
        self._wake = threading.Event()
        self._scheduler = threading.Thread(target=self._schedule, name="dlc-scheduler", daemon=True)

    def start(self) -> None:
        """Begin; jobs that a killed local cloud left are found again."""
        self._scheduler.start()

    def close(self) -> None:
        """Let go of the jobs without ending them: a later start finds them again."""
        self._closing.set()
        self._wake.set()
        for thread in [self._scheduler, *self._drivers.values()]:
            thread.join(timeout=3)

    def wake(self) -> None:
        """Look at the jobs now."""
        self._wake.set()

    def _schedule(self) -> None:
        while not self._closing.is_set():
            self._wake.clear()
            busy = True
            try:
                busy = self._hand_out_places()
            except sqlite3.Error:
                _log.exception("The jobs cannot be read; the scheduler tries again.")
            self._wake.wait(_POLL_S if busy else 5.0)

    def _hand_out_places(self) -> bool:
        """Start drivers for jobs that may run; returns whether there is anything to come back for soon."""
        self._drivers = {job_id: thread for job_id, thread in self._drivers.items() if thread.is_alive()}
        waiting = [job for job in self._jobs.unfinished() if job.id not in self._drivers]
        # Those that had a place before a restart first, then by priority, then by age.
        waiting.sort(key=lambda job: (_is_new(job), -int(job.spec.get("Priority") or 1), job.created_ms))
        for job in waiting:
            if job.status == "Creating":
                self._jobs.enter(job.id, "Queuing")
            if len(self._drivers) < self._max_running or not _is_new(job):
                driver = threading.Thread(target=self._drive, args=(job.id,), name=job.id, daemon=True)
                self._drivers[job.id] = driver
                driver.start()
        return bool(waiting or self._drivers)

    def _drive(self, job_id: str) -> None:
        try:
            _Drive(self._jobs, self._mounts, job_id, self._closing).run()
        except MountError as error:
            self._jobs.enter(job_id, "Failed", "DataSourceMountFailed", str(error))
        except AcsError:
            _log.info("Job %s was deleted while it was looked after.", job_id)
        except OSError as error:
            _log.exception("Job %s cannot be looked after.", job_id)
            self._jobs.enter(job_id, "Failed", "InternalError", f"The job's files failed: {error}.")
        self._wake.set()


def _is_new(job: Job) -> bool:
    return job.status in {"Creating", "Queuing"}


class _Drive:
    """The way of one job that has a place."""

    def __init__(self, jobs: Jobs, mounts: Mounts, job_id: str, closing: threading.Event) -> None:
        self._jobs = jobs
        self._mounts = mounts
        self._closing = closing
        self._job = jobs.get(job_id)
        self._folder = jobs.folder(job_id)
        self._runner: subprocess.Popen[bytes] | None = None

    def run(self) -> None:
        """Prepare, start, follow and finish; each step may have been done before a restart."""
        mounted = mounts_of(self._job.spec, self._folder)
        self._jobs.enter(self._job.id, "EnvPreparing")
        if not (self._folder / "run.json").exists():
            if self._jobs.get(self._job.id).stop_requested:
                self._jobs.enter(self._job.id, "Stopped", "StoppedByUser", "The job was stopped.")
                return
            self._prepare(mounted)
        if not (self._folder / "started.json").exists():
            if self._jobs.get(self._job.id).stop_requested:
                (self._folder / "stop").touch()
            if not self._start():
                return
        began = json.loads((self._folder / "started.json").read_bytes())
        self._jobs.enter(self._job.id, "Running", at_ms=began["time_ms"])
        if self._job.must_fail:
            self._kill()
            write_json(self._folder / "result.json", _failed("PodFailed", "The failure was asked for at /_faults."))
        result = self._follow(mounted)
        if result is not None:
            self._finish(mounted, result)

    def _prepare(self, mounted: list[Mount]) -> None:
        # What a killed local cloud had half fetched goes first.
        shutil.rmtree(self._folder, ignore_errors=True)
        (self._folder / "work").mkdir(parents=True)
        for mount in mounted:
            count = self._mounts.download(mount)
            _log.info("Job %s: %d files below %s.", self._job.id, count, mount.path)
        write_json(self._folder / "run.json", plan(self._job.id, self._job.spec, self._folder, mounted))

    def _start(self) -> bool:
        path = os.pathsep.join(filter(None, [str(Path(localcloud.__path__[0]).parent), os.environ.get("PYTHONPATH")]))
        with (self._folder / "runner.log").open("ab") as log:
            self._runner = subprocess.Popen(
                [sys.executable, "-m", "localcloud.pai_dlc.runner", str(self._folder)],
                env={**base_environment(), "PYTHONPATH": path, JOB_VARIABLE: self._job.id},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        deadline = time.monotonic() + _RUNNER_START_S
        started = self._folder / "started.json"
        while not started.exists():
            if self._closing.wait(0.05):
                return False
            # A short job may have begun and ended since the last look.
            gone = self._runner.poll() is not None and not started.exists()
            if gone or time.monotonic() > deadline:
                self._runner.kill()
                self._jobs.enter(self._job.id, "Failed", "PodStartFailed", "The job's runner did not start.")
                return False
        return True

    def _follow(self, mounted: list[Mount]) -> dict[str, Any] | None:
        """Wait for the job's end; None when the local cloud closes before it."""
        result_file = self._folder / "result.json"
        synced, stop_by = time.monotonic(), None
        while not result_file.exists():
            if self._runner is not None:
                self._runner.poll()
            if not self._runner_lives() and not result_file.exists():
                self._kill()
                return _failed("RunnerLost", "The job's runner died; its pods were ended.")
            if self._jobs.get(self._job.id).stop_requested and stop_by is None:
                stop_by = time.monotonic() + GRACE_S + 10
                (self._folder / "stop").touch()
            if stop_by is not None and time.monotonic() > stop_by:
                self._kill()
                return {"status": "Stopped", "code": "StoppedByUser", "message": "The job was killed."}
            if time.monotonic() - synced > _SYNC_S:
                self._upload(mounted, everything=False)
                synced = time.monotonic()
            if self._closing.wait(_POLL_S):
                return None
        result: dict[str, Any] = json.loads(result_file.read_bytes())
        return result

    def _finish(self, mounted: list[Mount], result: dict[str, Any]) -> None:
        problem = self._upload(mounted, everything=True)
        if problem and result["status"] == "Succeeded":
            result = _failed("DataSourceUploadFailed", problem)
        # Nothing that the job left in the background outlives it.
        self._kill()
        if self._runner is not None:
            self._runner.wait()
        self._jobs.enter(self._job.id, result["status"], result["code"], result["message"], at_ms=result.get("time_ms"))
        _log.info("Job %s ended %s. %s", self._job.id, result["status"], result["message"])

    def _upload(self, mounted: list[Mount], *, everything: bool) -> str:
        """Bring back what the job wrote; returns what went wrong, if anything did."""
        problem = ""
        for mount in mounted:
            try:
                self._mounts.upload(mount, everything=everything)
            except OssError as error:
                problem = f"oss://{mount.bucket}/{mount.prefix} does not take the job's files: {error.message}"
                _log.warning("Job %s: %s", self._job.id, problem)
        return problem

    def _runner_lives(self) -> bool:
        with (self._folder / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False

    def _kill(self) -> None:
        """Kill the runner and everything that the job started."""
        kill_marked(JOB_VARIABLE, self._job.id)


def _failed(code: str, message: str) -> dict[str, Any]:
    return {"status": "Failed", "code": code, "message": message}
