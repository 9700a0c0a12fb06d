"""Brings every job from Creating to its end, also across restarts of the local cloud."""

from __future__ import annotations

import logging
import shutil
import sqlite3
import threading
import time
from typing import Any

from localcloud.acs.errors import AcsError
from localcloud.detached import DetachedRun, RunnerError, failed
from localcloud.mounts import Mount, MountError, Mounts
from localcloud.oss.errors import OssError
from localcloud.pai_dlc.jobs import Job, Jobs
from localcloud.pai_dlc.pods import JOB_VARIABLE, mounts_of, plan
from localcloud.pai_dlc.runner import write_json

_log = logging.getLogger(__name__)
_POLL_S = 0.2
_SYNC_S = 3.0


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
        except RunnerError as error:
            self._jobs.enter(job_id, "Failed", "PodStartFailed", str(error))
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
        self._job = jobs.get(job_id)
        self._folder = jobs.folder(job_id)
        self._run = DetachedRun(self._folder, (JOB_VARIABLE, job_id), closing)
        self._synced = 0.0

    def run(self) -> None:
        """Prepare, start, follow and finish; each step may have been done before a restart."""
        mounted = mounts_of(self._job.spec, self._folder)
        self._jobs.enter(self._job.id, "EnvPreparing")
        if not self._run.prepared:
            if self._must_stop():
                self._jobs.enter(self._job.id, "Stopped", "StoppedByUser", "The job was stopped.")
                return
            self._prepare(mounted)
        if self._run.started_ms is None and self._must_stop():
            self._run.stop()
        if not self._run.start():
            return
        self._jobs.enter(self._job.id, "Running", at_ms=self._run.started_ms)
        if self._job.must_fail:
            self._run.kill()
            write_json(self._folder / "result.json", failed("PodFailed", "The failure was asked for at /_faults."))
        self._synced = time.monotonic()
        result = self._run.follow(must_stop=self._must_stop, meanwhile=lambda: self._sync(mounted))
        if result is not None:
            self._finish(mounted, result)

    def _must_stop(self) -> bool:
        return self._jobs.get(self._job.id).stop_requested

    def _prepare(self, mounted: list[Mount]) -> None:
        # What a killed local cloud had half fetched goes first.
        shutil.rmtree(self._folder, ignore_errors=True)
        (self._folder / "work").mkdir(parents=True)
        for mount in mounted:
            count = self._mounts.download(mount)
            _log.info("Job %s: %d files below %s.", self._job.id, count, mount.path)
        write_json(self._folder / "run.json", plan(self._job.id, self._job.spec, self._folder, mounted))

    def _sync(self, mounted: list[Mount]) -> None:
        if time.monotonic() - self._synced > _SYNC_S:
            self._upload(mounted, everything=False)
            self._synced = time.monotonic()

    def _finish(self, mounted: list[Mount], result: dict[str, Any]) -> None:
        problem = self._upload(mounted, everything=True)
        if problem and result["status"] == "Succeeded":
            result = failed("DataSourceUploadFailed", problem)
        # Nothing that the job left in the background outlives it.
        self._run.kill()
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
