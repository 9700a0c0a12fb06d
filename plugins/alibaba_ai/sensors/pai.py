"""Waits for what somebody else started on PAI."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from alibaba_ai.hooks.pai import PaiHook
from alibaba_ai.sensors.waiting import WaitingSensor
from alibaba_ai.triggers.pai_dlc import PaiDlcJobTrigger
from alibaba_ai.triggers.pai_eas import PaiEasServiceTrigger


class PaiDlcJobSensor(WaitingSensor):
    """Wait until a job has succeeded; its id is the task's result. A job that failed fails the task.

    The job goes on when the task is killed: it is somebody else's.

    :param job_id: the job
    :param alibaba_pai_conn_id: id of the connection
    """

    template_fields: Sequence[str] = ("job_id", "alibaba_pai_conn_id")

    def __init__(self, *, job_id: str, alibaba_pai_conn_id: str = PaiHook.default_conn_name, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.job_id = job_id
        self.alibaba_pai_conn_id = alibaba_pai_conn_id

    def trigger(self) -> PaiDlcJobTrigger:
        """Make the trigger that watches the job."""
        return PaiDlcJobTrigger(
            conn_id=self.alibaba_pai_conn_id, job_id=self.job_id, watch_only=True, poll_interval_s=self.poke_interval
        )


class PaiEasServiceSensor(WaitingSensor):
    """Wait until a service runs completely; its URL is the task's result. A service that failed fails the task.

    :param service: name of the service
    :param alibaba_pai_conn_id: id of the connection
    """

    template_fields: Sequence[str] = ("service", "alibaba_pai_conn_id")

    def __init__(self, *, service: str, alibaba_pai_conn_id: str = PaiHook.default_conn_name, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.service = service
        self.alibaba_pai_conn_id = alibaba_pai_conn_id

    def trigger(self) -> PaiEasServiceTrigger:
        """Make the trigger that watches the service."""
        return PaiEasServiceTrigger(
            conn_id=self.alibaba_pai_conn_id, service=self.service, poll_interval_s=self.poke_interval
        )
