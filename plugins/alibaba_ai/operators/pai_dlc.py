"""Runs a training job on PAI-DLC."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from airflow.sdk.exceptions import AirflowFailException
from airflow.sdk.log import mask_secret

from alibaba_ai.failures import terminal_errors_end_the_task
from alibaba_ai.hooks.pai import PaiHook
from alibaba_ai.links.pai import PaiDlcJobLink
from alibaba_ai.operators.same_job import notes_of
from alibaba_ai.operators.waiting import WaitingOperator
from alibaba_ai.triggers.pai_dlc import PaiDlcJobTrigger
from searchloom.cloud.pai_dlc import Job, JobRequest, Mount, PaiDlc
from searchloom.errors import SearchloomError, UsageError

_STATE = "pai_dlc_job"


class PaiDlcJobOperator(WaitingOperator):
    """Run a command as a job of PAI-DLC and wait for its end; the job's id is the task's result.

    There is one job, whatever dies (``same_job``). A retry goes on with a job that runs or has succeeded; a cleared
    task stops what is left of the former job and makes a new one.

    :param image: image of the pods
    :param command: command line that every pod runs
    :param name: words that the job's display name begins with; the DAG and the task unless told otherwise
    :param machines: ``ecs_spec`` (type of machine), if wanted ``pods``, ``job_type``, ``resource_id``, ``priority``
    :param environment: variables of the command; those with names like ``*_PASSWORD`` are hidden in Airflow
    :param data_sources: folders of OSS: ``uri``, ``path`` and, where the job writes, ``access`` ``RW``
    :param max_minutes: PAI-DLC ends the job after so many minutes of running
    :param alibaba_pai_conn_id: id of the connection
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
        self._dlc: PaiDlc | None = None
        self._job_name = ""
        self._killed = False

    def execute(self, context: Any) -> Any:
        """Find or submit the job, store its link, and wait."""
        mask_secret(dict(self.environment))
        with terminal_errors_end_the_task():
            self._dlc = dlc = PaiHook(self.alibaba_pai_conn_id).get_conn()
            self._job_name = self._settle_name(context, dlc)
            job_id = dlc.submit(self._request(self._job_name))
            if self._killed:
                # The signal came while the job was being made, so that on_kill may not have found it.
                dlc.stop(job_id=job_id)
                raise AirflowFailException(f"the task was killed; job {job_id} of PAI-DLC was asked to stop")
        address = PaiDlcJobLink.address(region=dlc.region, workspace_id=dlc.workspace_id, job_id=job_id)
        PaiDlcJobLink().store(context, address)
        context["ti"].xcom_push(key="job_id", value=job_id)
        self.log.info("Job %s (%s) of PAI-DLC at %s: %s", job_id, self._job_name, dlc.endpoint, address)
        trigger = PaiDlcJobTrigger(
            conn_id=self.alibaba_pai_conn_id,
            job_id=job_id,
            poll_interval_s=self.poll_interval_s,
            deadline=self.deadline(),
        )
        return self.wait(context, trigger)

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
        def stop(job: Job) -> None:
            self.log.info("Job %s belongs to the task before it was cleared; it is asked to stop.", job.job_id)
            dlc.stop(job_id=job.job_id)

        notes = notes_of(context, _STATE, label=self.name, find=lambda known: dlc.find(name=known["name"]), stop=stop)
        return str(notes["name"])

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
