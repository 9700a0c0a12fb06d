"""Waits for a job of PAI-DLC and copies what its pods write into the task's log."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from airflow.sdk.exceptions import AirflowException
from airflow.triggers.base import BaseTrigger, TriggerEvent

from alibaba_ai.hooks.pai import PaiHook
from alibaba_ai.triggers.logs import end_of, unseen
from searchloom.cloud.pai_dlc import Job, PaiDlc
from searchloom.errors import SearchloomError, Terminal, Transient

_PATIENCE_S = 900.0
"""So long a service may be away; the job goes on meanwhile, and a later try of the task finds it again."""


class PaiDlcJobTrigger(BaseTrigger):  # type: ignore[misc]  # Airflow is Any to mypy here
    """Poll until the job has ended, then yield one event: ``{"status", "job_id", "message"}``.

    ``status`` is ``success``, ``failed`` (trying again cannot help) or ``error`` (it may).

    :param alibaba_pai_conn_id: id of the connection
    :param job_id: the job
    :param poll_interval_s: seconds between two looks
    :param deadline: seconds since the epoch after which the job is stopped; None: never
    """

    def __init__(
        self, *, alibaba_pai_conn_id: str, job_id: str, poll_interval_s: float, deadline: float | None = None
    ) -> None:
        super().__init__()
        self.alibaba_pai_conn_id = alibaba_pai_conn_id
        self.job_id = job_id
        self.poll_interval_s = poll_interval_s
        self.deadline = deadline
        self._shown: dict[str, Sequence[str]] = {}

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class path and the constructor's arguments."""
        return "alibaba_ai.triggers.pai_dlc.PaiDlcJobTrigger", {
            "alibaba_pai_conn_id": self.alibaba_pai_conn_id,
            "job_id": self.job_id,
            "poll_interval_s": self.poll_interval_s,
            "deadline": self.deadline,
        }

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait for the job's end."""
        try:
            dlc = await self._client()
            status, message = await self._follow(dlc)
        except Terminal as error:
            status, message = "failed", str(error)
        except (SearchloomError, AirflowException) as error:
            status, message = "error", str(error)
        yield TriggerEvent({"status": status, "job_id": self.job_id, "message": message})

    async def on_kill(self) -> None:
        """Stop the job: a person marked the task, or cleared it. A triggerer that restarts does not come here."""
        dlc = await self._client()
        await asyncio.to_thread(dlc.stop, job_id=self.job_id)
        self.log.info("Job %s was asked to stop.", self.job_id)

    async def _client(self) -> PaiDlc:
        # Looking a connection up and making the vendor's client block; a thread of its own keeps the loop free.
        return await asyncio.to_thread(PaiHook(self.alibaba_pai_conn_id).get_conn)

    async def _follow(self, dlc: PaiDlc) -> tuple[str, str]:
        status, seen_at = "", time.monotonic()
        while True:
            try:
                job = await asyncio.to_thread(dlc.get, job_id=self.job_id)
            except Transient as error:
                if time.monotonic() - seen_at > _PATIENCE_S:
                    raise
                self.log.warning("The state of job %s is not known now: %s", self.job_id, error)
            else:
                seen_at = time.monotonic()
                if job.status != status:
                    self.log.info("Job %s is %s. %s", job.job_id, job.status, job.reason)
                    status = job.status
                await self._copy_logs(dlc, job)
                if job.finished:
                    return self._outcome(job)
            if self.deadline is not None and time.time() > self.deadline:
                await asyncio.to_thread(dlc.stop, job_id=self.job_id)
                return "error", f"job {self.job_id} took longer than the task's execution_timeout and was stopped"
            await asyncio.sleep(self.poll_interval_s)

    async def _copy_logs(self, dlc: PaiDlc, job: Job) -> None:
        for pod in job.pods:
            if pod.status == "Pending":
                continue
            try:
                lines = await asyncio.to_thread(dlc.logs, job_id=job.job_id, pod_id=pod.pod_id)
            except SearchloomError as error:
                # The job's fate does not hang on its log.
                self.log.warning("The log of pod %s cannot be read: %s", pod.pod_id, error)
                continue
            for line in unseen(self._shown.get(pod.pod_id, ()), lines):
                self.log.info("[%s] %s", pod.pod_id, line)
            self._shown[pod.pod_id] = lines

    def _outcome(self, job: Job) -> tuple[str, str]:
        if job.succeeded:
            return "success", f"job {job.job_id} succeeded"
        reason = job.reason.rstrip(".") or job.reason_code or "no reason given"
        message = f"job {job.job_id} of PAI-DLC is {job.status}: {reason}; {_tail(self._shown)}"
        # Somebody stopped it on purpose: the next try must not start it again behind their back.
        return ("failed" if job.status == "Stopped" else "error"), message


def _tail(shown: Mapping[str, Sequence[str]]) -> str:
    ends = [f"the log of {pod} ends: {end_of(lines)}" for pod, lines in shown.items() if lines]
    return "; ".join(ends) or "its log is empty"
