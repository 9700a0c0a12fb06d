"""PAI-DLC: training jobs.

``CreateJob`` has no client token, so that a job is found again by its display name: give every job a name of its own
and use ``submit``. API: https://help.aliyun.com/en/pai/developer-reference/api-pai-dlc-2020-12-03-overview
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from alibabacloud_pai_dlc20201203 import models
from alibabacloud_pai_dlc20201203.client import Client

from searchloom.cloud.acs import Connection
from searchloom.cloud.retry import repeatable, unrepeatable
from searchloom.errors import Transient
from searchloom.settings import Acs

log = logging.getLogger(__name__)

FINISHED = frozenset({"Succeeded", "Failed", "Stopped", "SucceededReserving", "FailedReserving"})
"""Statuses that do not change any more; ``*Reserving`` keeps the machines for debugging, the job itself is over."""

_PAGE = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """A folder of OSS (``oss://bucket.endpoint/prefix/``) that the job sees as a folder."""

    uri: str
    path: str
    access: Literal["RO", "RW"] = "RO"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRequest:
    """What to run. ``name`` is how the job is found again: make it unique. ``environment`` may hold secrets."""

    name: str
    command: str
    image: str
    ecs_spec: str
    pods: int = 1
    job_type: str = "PyTorchJob"
    mounts: Sequence[Mount] = ()
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    max_minutes: int | None = None
    priority: int = 1
    resource_id: str | None = None


@dataclass(frozen=True, slots=True)
class Pod:
    """One machine of a job."""

    pod_id: str
    kind: str
    status: str


@dataclass(frozen=True, slots=True)
class Job:
    """The state of a job; times as the service writes them (ISO 8601, UTC), empty while not reached."""

    job_id: str
    name: str
    status: str
    reason_code: str
    reason: str
    created: str
    finished_at: str
    pods: tuple[Pod, ...]

    @property
    def finished(self) -> bool:
        """Whether the status will not change any more."""
        return self.status in FINISHED

    @property
    def succeeded(self) -> bool:
        """Whether the command ended with exit code 0."""
        return self.status in {"Succeeded", "SucceededReserving"}


class PaiDlc:
    """The jobs of one workspace. Every method raises the ``Service*`` errors."""

    def __init__(self, settings: Acs, *, workspace_id: str) -> None:
        self._connection = Connection(settings, "pai_dlc")
        self.endpoint = self._connection.endpoint
        self.region = settings.region
        self.workspace_id = workspace_id
        self._client = Client(self._connection.config)

    def submit(self, request: JobRequest) -> str:
        """Return the id of the one job of this name: the running or finished one, else a new one.

        An answer that got lost is looked for before the error goes to the caller, who may call again.
        """
        if (known := self.find(name=request.name)) is not None:
            log.info(
                "PAI-DLC has job %s of the name %r already, with status %s.", known.job_id, known.name, known.status
            )
            return known.job_id
        try:
            return self.create(request)
        except Transient:
            if (made := self.find(name=request.name)) is None:
                raise
            return made.job_id

    @unrepeatable
    def create(self, request: JobRequest) -> str:
        """Create a job and return its id; every call makes another one."""
        with self._connection.call(f"a new job {request.name!r}"):
            answer = self._client.create_job(_create_request(request, self.workspace_id))
        return str(answer.body.job_id)

    @repeatable
    def get(self, *, job_id: str) -> Job:
        """Return the state of a job with its pods."""
        with self._connection.call(f"job {job_id!r}"):
            return _job(self._client.get_job(job_id, models.GetJobRequest(need_detail=True)).body)

    def find(self, *, name: str) -> Job | None:
        """Return the newest job of exactly this name, or None."""
        return next((job for job in self.list(name=name) if job.name == name), None)

    def list(self, *, name: str | None = None, status: str | None = None) -> Iterator[Job]:
        """The jobs of the workspace, newest first; ``name`` matches parts of names too."""
        page = 1
        while True:
            found, total = self._page(page, name, status)
            yield from found
            if not found or page * _PAGE >= total:
                return
            page += 1

    @repeatable
    def _page(self, page: int, name: str | None, status: str | None) -> tuple[Sequence[Job], int]:
        request = models.ListJobsRequest(
            workspace_id=self.workspace_id,
            display_name=name,
            status=status,
            sort_by="GmtCreateTime",
            order="desc",
            page_number=page,
            page_size=_PAGE,
        )
        with self._connection.call(f"the jobs of workspace {self.workspace_id!r}"):
            body = self._client.list_jobs(request).body
        return [_job(item) for item in body.jobs or []], int(body.total_count or 0)

    @repeatable
    def stop(self, *, job_id: str) -> None:
        """Ask for the end of a job; its status goes over Stopping to Stopped."""
        with self._connection.call(f"job {job_id!r}"):
            self._client.stop_job(job_id)

    @unrepeatable
    def delete(self, *, job_id: str) -> None:
        """Delete a finished job."""
        with self._connection.call(f"job {job_id!r}"):
            self._client.delete_job(job_id)

    @repeatable
    def logs(self, *, job_id: str, pod_id: str, max_lines: int = 2000, since: str | None = None) -> Sequence[str]:
        """Return lines that a pod wrote; ``since`` is an ISO 8601 time in UTC."""
        request = models.GetPodLogsRequest(max_lines=max_lines, start_time=since)
        with self._connection.call(f"pod {pod_id!r} of job {job_id!r}"):
            return [str(line) for line in self._client.get_pod_logs(job_id, pod_id, request).body.logs or []]

    @repeatable
    def events(self, *, job_id: str, limit: int = 100) -> Sequence[str]:
        """Return what happened to a job, oldest first, as sentences of the service."""
        request = models.GetJobEventsRequest(max_events_num=limit)
        with self._connection.call(f"job {job_id!r}"):
            return [str(event) for event in self._client.get_job_events(job_id, request).body.events or []]


def _create_request(request: JobRequest, workspace_id: str) -> models.CreateJobRequest:
    spec = models.JobSpec(type="Worker", image=request.image, ecs_spec=request.ecs_spec, pod_count=request.pods)
    sources = [
        models.CreateJobRequestDataSources(uri=mount.uri, mount_path=mount.path, mount_access=mount.access)
        for mount in request.mounts
    ]
    return models.CreateJobRequest(
        display_name=request.name,
        workspace_id=workspace_id,
        job_type=request.job_type,
        job_specs=[spec],
        user_command=request.command,
        data_sources=sources,
        envs=dict(request.environment),
        job_max_running_time_minutes=request.max_minutes,
        priority=request.priority,
        resource_id=request.resource_id,
    )


def _job(body: Any) -> Job:
    pods = tuple(Pod(pod.pod_id or "", pod.type or "", pod.status or "") for pod in body.pods or [])
    return Job(
        job_id=body.job_id,
        name=body.display_name or "",
        status=body.status or "",
        reason_code=body.reason_code or "",
        reason=body.reason_message or "",
        created=body.gmt_create_time or "",
        finished_at=getattr(body, "gmt_finish_time", None) or "",
        pods=pods,
    )
