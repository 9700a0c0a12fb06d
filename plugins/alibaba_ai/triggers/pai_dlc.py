"""Waits for a job of PAI-DLC and copies what its pods write into the task's log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from alibaba_ai.hooks.pai import PaiHook
from alibaba_ai.triggers.logs import end_of, unseen
from alibaba_ai.triggers.polling import End, PollingTrigger
from searchloom.cloud.pai_dlc import Job, PaiDlc
from searchloom.errors import SearchloomError


class PaiDlcJobTrigger(PollingTrigger[PaiDlc, Job]):
    """Wait for the end of a job; the event's result is the job's id.

    :param job_id: the job
    :param watch_only: the job is somebody else's: it goes on whatever becomes of the task
    """

    def __init__(self, *, job_id: str, watch_only: bool = False, **common: Any) -> None:
        super().__init__(**common)
        self.job_id = job_id
        self.watch_only = watch_only
        self._shown: dict[str, Sequence[str]] = {}

    def arguments(self) -> dict[str, Any]:
        """Return what is waited for."""
        return {"job_id": self.job_id, "watch_only": self.watch_only}

    def subject(self) -> str:
        """Name the job."""
        return f"job {self.job_id} of PAI-DLC"

    def connect(self) -> PaiDlc:
        """Make the client."""
        return PaiHook(self.conn_id).get_conn()

    def look(self, client: PaiDlc) -> Job:
        """Ask for the job."""
        return client.get(job_id=self.job_id)

    def sentence(self, state: Job) -> str:
        """Say the job's status."""
        return f"Job {state.job_id} is {state.status}. {state.reason}".rstrip()

    def end(self, state: Job) -> End | None:
        """Return how the job ended."""
        if not state.finished:
            return None
        if state.succeeded:
            return End("success", f"job {state.job_id} succeeded", state.job_id)
        reason = state.reason.rstrip(".") or state.reason_code or "no reason given"
        message = f"{self.subject()} is {state.status}: {reason}; {_tail(self._shown)}"
        # Somebody stopped it on purpose: the next try must not start it again behind their back.
        return End("failed" if state.status == "Stopped" else "error", message, state.job_id)

    def new_lines(self, client: PaiDlc, state: Job) -> Sequence[str]:
        """Return what each pod has written."""
        new: list[str] = []
        for pod in state.pods:
            if pod.status == "Pending":
                continue
            try:
                lines = client.logs(job_id=state.job_id, pod_id=pod.pod_id)
            except SearchloomError as error:
                self.log.warning("The log of pod %s cannot be read: %s", pod.pod_id, error)
                continue
            new += [f"[{pod.pod_id}] {line}" for line in unseen(self._shown.get(pod.pod_id, ()), lines)]
            self._shown[pod.pod_id] = lines
        return new

    def stop(self, client: PaiDlc) -> str:
        """Stop the job."""
        if self.watch_only:
            return ""
        client.stop(job_id=self.job_id)
        return "was asked to stop"


def _tail(shown: Mapping[str, Sequence[str]]) -> str:
    ends = [f"the log of {pod} ends: {end_of(lines)}" for pod, lines in shown.items() if lines]
    return "; ".join(ends) or "its log is empty"
