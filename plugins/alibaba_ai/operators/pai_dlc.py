"""Runs a training job on PAI-DLC."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Mapping, Sequence
from typing import Any

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowFailException
from airflow.sdk.log import mask_secret

from alibaba_ai.failures import failure_of, terminal_errors_end_the_task
from alibaba_ai.hooks.pai import PaiHook
from alibaba_ai.links.pai import PaiDlcJobLink
from alibaba_ai.triggers.pai_dlc import PaiDlcJobTrigger
from searchloom.cloud.pai_dlc import JobRequest, Mount, PaiDlc
from searchloom.errors import SearchloomError, UsageError

_STATE = "pai_dlc_job"
"""Under this key Airflow's task state store keeps the name of the job, for every try of a task."""

_LABEL_LENGTH = 100


class PaiDlcJobOperator(BaseOperator):  # type: ignore[misc]  # Airflow is Any to mypy here
    """Run a command as a job of PAI-DLC and wait for its end; the job's id is the task's result.

    There is one job, whatever dies: its name is noted before it is made, and whoever comes next looks for that name. A
    retry goes on with a job that runs or has succeeded; a cleared task stops what is left of the former job and makes
    a new one.

    :param image: image of the pods
    :param command: command line that every pod runs
    :param name: words that the job's display name begins with; the DAG and the task unless told otherwise
    :param machines: ``ecs_spec`` (type of machine), if wanted ``pods``, ``job_type``, ``resource_id``, ``priority``
    :param environment: variables of the command; those with names like ``*_PASSWORD`` are hidden in Airflow
    :param data_sources: folders of OSS: ``uri``, ``path`` and, where the job writes, ``access`` ``RW``
    :param max_minutes: PAI-DLC ends the job after so many minutes of running
    :param alibaba_pai_conn_id: id of the connection
    :param poll_interval_s: seconds between two looks at the job
    :param deferrable: wait in the triggerer; otherwise in the worker
    """

    template_fields: Sequence[str] = (
        "name",
        "image",
        "command",
        "environment",
        "machines",
        "data_sources",
        "max_minutes",
        "alibaba_pai_conn_id",
    )
    template_fields_renderers = {  # noqa: RUF012  as in Airflow's own operators
        "command": "bash",
        "environment": "json",
        "machines": "json",
        "data_sources": "json",
    }
    operator_extra_links = (PaiDlcJobLink(),)
    ui_color = "#fff1e0"

    def __init__(
        self,
        *,
        image: str,
        command: str,
        machines: Mapping[str, Any],
        name: str = "",
        environment: Mapping[str, str] | None = None,
        data_sources: Sequence[Mapping[str, str]] = (),
        max_minutes: int | str | None = None,
        alibaba_pai_conn_id: str = PaiHook.default_conn_name,
        poll_interval_s: float = 10,
        deferrable: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.name = name
        self.image = image
        self.command = command
        self.machines = machines
        self.environment = environment or {}
        self.data_sources = data_sources
        self.max_minutes = max_minutes
        self.alibaba_pai_conn_id = alibaba_pai_conn_id
        self.poll_interval_s = poll_interval_s
        self.deferrable = deferrable
        self._dlc: PaiDlc | None = None
        self._job_name = ""
        self._killed = False

    def execute(self, context: Any) -> str:
        """Find or submit the job, store its link, and wait."""
        mask_secret(dict(self.environment))
        ti = context["ti"]
        with terminal_errors_end_the_task():
            self._dlc = dlc = PaiHook(self.alibaba_pai_conn_id).get_conn()
            self._job_name = self._settle_name(context, dlc)
            job_id = dlc.submit(self._request(self._job_name))
            if self._killed:
                # The signal came while the job was being made, so that on_kill may not have found it.
                dlc.stop(job_id=job_id)
                raise AirflowFailException(f"the task was killed; job {job_id} of PAI-DLC was asked to stop")
        address = PaiDlcJobLink.address(region=dlc.region, workspace_id=dlc.workspace_id, job_id=job_id)
        ti.xcom_push(key=PaiDlcJobLink.xcom_key, value=address)
        ti.xcom_push(key="job_id", value=job_id)
        self.log.info("Job %s (%s) of PAI-DLC at %s: %s", job_id, self._job_name, dlc.endpoint, address)
        trigger = self._trigger(job_id)
        if self.deferrable:
            self.defer(trigger=trigger, method_name="execute_complete")
        return self.execute_complete(context, asyncio.run(_first_event(trigger)))

    def execute_complete(self, context: Any, event: dict[str, str]) -> str:  # noqa: ARG002  the signature is Airflow's
        """Return the job's id, or fail with the trigger's one sentence."""
        if event["status"] != "success":
            raise failure_of(event)
        self.log.info("%s.", event["message"].capitalize())
        return event["job_id"]

    def on_kill(self) -> None:
        """Stop the job. Airflow calls this from a signal handler: no look-up of connections here."""
        self._killed = True
        if self._dlc is None or not self._job_name:
            return
        try:
            if (job := self._dlc.find(name=self._job_name)) is not None and not job.finished:
                self._dlc.stop(job_id=job.job_id)
                self.log.info("Job %s was asked to stop.", job.job_id)
        except SearchloomError as error:
            self.log.warning("The job named %s may still run: %s", self._job_name, error)

    def _settle_name(self, context: Any, dlc: PaiDlc) -> str:
        """Return the name of the job to go on with, or of a new one, which is noted before it is made."""
        ti, store = context["ti"], context["task_state_store"]
        if known := store.get(_STATE):
            job = dlc.find(name=known["name"])
            # Retries leave max_tries as it is, clearing raises it: that tells the two apart.
            is_retry = known["max_tries"] == ti.max_tries
            if is_retry and (job is None or job.succeeded or not job.finished):
                return str(known["name"])
            if job is not None and not job.finished:
                self.log.info("Job %s belongs to the task before it was cleared; it is asked to stop.", job.job_id)
                dlc.stop(job_id=job.job_id)
        name = self._new_name(ti)
        store.set(_STATE, {"name": name, "max_tries": ti.max_tries})
        return name

    def _new_name(self, ti: Any) -> str:
        # The id of a task instance is another one for each try, and for each Airflow that uses the workspace.
        label = re.sub(r"[^A-Za-z0-9_.-]+", "-", self.name or f"{ti.dag_id}.{ti.task_id}")[:_LABEL_LENGTH]
        return f"{label}-try{ti.try_number}-{ti.id}"

    def _request(self, name: str) -> JobRequest:
        # Templated, and so checked here and not in the constructor.
        numbers = {key: self.machines[key] for key in ("pods", "priority") if key in self.machines}
        try:
            request: dict[str, Any] = {
                **self.machines,
                **{key: int(value) for key, value in numbers.items()},
                "mounts": [Mount(**source) for source in self.data_sources],  # type: ignore[arg-type]
                "max_minutes": int(self.max_minutes) if self.max_minutes else None,
            }
            return JobRequest(
                name=name, command=self.command, image=self.image, environment=dict(self.environment), **request
            )
        except (TypeError, ValueError) as error:
            raise UsageError(f"task {self.task_id!r} describes no job: {error}; see PaiDlcJobOperator") from error

    def _trigger(self, job_id: str) -> PaiDlcJobTrigger:
        limit = self.execution_timeout
        return PaiDlcJobTrigger(
            alibaba_pai_conn_id=self.alibaba_pai_conn_id,
            job_id=job_id,
            poll_interval_s=self.poll_interval_s,
            deadline=time.time() + limit.total_seconds() if limit else None,
        )


async def _first_event(trigger: PaiDlcJobTrigger) -> dict[str, str]:
    event = await anext(aiter(trigger.run()))
    return dict(event.payload)
