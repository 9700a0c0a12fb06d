"""The calls of PAI-DLC 2020-12-03."""

from __future__ import annotations

import os
import re
import shutil
from collections import deque
from pathlib import Path
from typing import Any

import psutil

from localcloud.acs.errors import (
    AcsError,
    invalid_parameter,
    missing_parameter,
    number_in,
    object_in,
    objects_in,
    text_in,
)
from localcloud.acs.request import AcsRequest
from localcloud.acs.service import Operation, Product
from localcloud.line_logs import read_lines
from localcloud.mounts import MountError, Mounts, parse_uri
from localcloud.pai_dlc.jobs import Job, Jobs
from localcloud.pai_dlc.pods import Pod, pods_of
from localcloud.pai_dlc.supervisor import Supervisor
from localcloud.pai_dlc.views import event_line, job_view, pod_uid

_JOB = "/api/v1/jobs/{job}"
_JOB_TYPES = frozenset({
    "TFJob", "PyTorchJob", "MPIJob", "XGBoostJob", "OneFlowJob", "ElasticBatchJob", "SlurmJob", "RayJob", "Custom",
})  # fmt: skip
_MAX_PODS = 8
_POD_KIND = re.compile(r"[A-Za-z]{1,32}")
_MAX_DISPLAY_NAME = 256
_DEFAULT_LINES = 2000
_SORT_KEYS = (
    "GmtCreateTime", "GmtFinishTime", "GmtModifiedTime", "DisplayName", "Status", "Duration", "Priority", "JobId",
)  # fmt: skip


class DlcService:
    """Jobs that run as processes below one state folder."""

    def __init__(self, root: Path, mounts: Mounts, *, max_running: int = 2) -> None:
        self._jobs = Jobs(root)
        self.supervisor = Supervisor(self._jobs, mounts, max_running)

    def product(self) -> Product:
        """What the dispatcher needs to know."""
        pod = f"{_JOB}/pods/{{pod}}"
        operations = {
            "CreateJob": Operation("POST", "/api/v1/jobs", self.create_job),
            "ListJobs": Operation("GET", "/api/v1/jobs", self.list_jobs),
            "GetJob": Operation("GET", _JOB, self.get_job),
            "StopJob": Operation("POST", f"{_JOB}/stop", self.stop_job),
            "DeleteJob": Operation("DELETE", _JOB, self.delete_job),
            "GetJobEvents": Operation("GET", f"{_JOB}/events", self.get_job_events),
            "GetPodLogs": Operation("GET", f"{pod}/logs", self.get_pod_logs),
            "GetPodEvents": Operation("GET", f"{pod}/events", self.get_pod_events),
            "ListEcsSpecs": Operation("GET", "/api/v1/ecsspecs", self.list_ecs_specs),
        }
        return Product("pai_dlc", "2020-12-03", operations)

    def create_job(self, request: AcsRequest) -> dict[str, Any]:
        """Take a job in; it starts by itself."""
        spec = request.json()
        _check_spec(spec)
        job = self._jobs.create(spec, must_fail=request.fault == "failed_job")
        self.supervisor.wake()
        return {"JobId": job.id}

    def get_job(self, request: AcsRequest) -> dict[str, Any]:
        """One job with its pods and the history of its status."""
        return job_view(self._jobs.get(request.path_parameters["job"]))

    def list_jobs(self, request: AcsRequest) -> dict[str, Any]:
        """A page of the jobs that the filters leave."""
        key = request.query.get("SortBy") or "GmtCreateTime"
        if key not in _SORT_KEYS:
            raise invalid_parameter("SortBy", key, f"one of {', '.join(_SORT_KEYS)}")
        found = [(job, job_view(job)) for job in self._jobs.all() if _is_wanted(job, request)]
        # Whole seconds do not tell two jobs apart, so the exact time of creation decides between equals.
        found.sort(
            key=lambda pair: (_sortable(pair[1].get(key)), pair[0].created_ms, pair[0].id),
            reverse=request.descending(default="desc"),
        )
        jobs = [view for _, view in request.page(found)]
        return {"Jobs": jobs, "TotalCount": len(found)}

    def stop_job(self, request: AcsRequest) -> dict[str, Any]:
        """End a job with everything it started; a finished one stays as it is."""
        job = self._jobs.request_stop(request.path_parameters["job"])
        self.supervisor.wake()
        return {"JobId": job.id}

    def delete_job(self, request: AcsRequest) -> dict[str, Any]:
        """Forget a finished job and its files."""
        job_id = request.path_parameters["job"]
        self._jobs.delete(job_id)
        shutil.rmtree(self._jobs.folder(job_id), ignore_errors=True)
        return {"JobId": job_id}

    def get_pod_logs(self, request: AcsRequest) -> dict[str, Any]:
        """The last ``MaxLines`` lines of a pod between ``StartTime`` and ``EndTime``."""
        job, pod = self._pod(request)
        limit = request.integer("MaxLines", _DEFAULT_LINES, low=1, high=1_000_000)
        entries = read_lines(
            self._jobs.folder(job.id) / f"{pod.name}.log",
            start_ms=request.time_ms("StartTime"),
            end_ms=request.time_ms("EndTime"),
        )
        lines = list(deque((text for _, text in entries), maxlen=limit))
        return {"JobId": job.id, "PodId": pod.name, "PodUid": pod_uid(pod), "Logs": lines}

    def get_pod_events(self, request: AcsRequest) -> dict[str, Any]:
        """What happened to a pod."""
        job, pod = self._pod(request)
        return {"JobId": job.id, "PodId": pod.name, "PodUid": pod_uid(pod), "Events": _events(job, request, pod.name)}

    def get_job_events(self, request: AcsRequest) -> dict[str, Any]:
        """What happened to a job."""
        job = self._jobs.get(request.path_parameters["job"])
        return {"JobId": job.id, "Events": _events(job, request, job.id)}

    def list_ecs_specs(self, request: AcsRequest) -> dict[str, Any]:
        """The one kind of machine that there is."""
        memory_gb = psutil.virtual_memory().total // 1024**3
        machine = {
            "InstanceType": "ecs.local",
            "AcceleratorType": "CPU",
            "Cpu": os.cpu_count(),
            "Memory": memory_gb,
            "Gpu": 0,
            "IsAvailable": True,
            "PaymentTypes": ["PostPaid"],
            "ResourceType": "ECS",
        }
        found = [machine] if request.query.get("AcceleratorType") in {None, "CPU"} else []
        return {"EcsSpecs": request.page(found), "TotalCount": len(found)}

    def _pod(self, request: AcsRequest) -> tuple[Job, Pod]:
        job = self._jobs.get(request.path_parameters["job"])
        name = request.path_parameters["pod"]
        for pod in pods_of(job.id, job.spec):
            if pod.name == name and request.query.get("PodUid") in {None, pod_uid(pod)}:
                return job, pod
        raise AcsError(404, "PodNotExist", f"The job {job.id} has no pod {name}.")


def _check_spec(spec: dict[str, Any]) -> None:
    for name in ("DisplayName", "JobType", "UserCommand"):
        if not text_in(spec, name):
            raise missing_parameter(name)
    if len(spec["DisplayName"]) > _MAX_DISPLAY_NAME:
        raise invalid_parameter("DisplayName", spec["DisplayName"], f"at most {_MAX_DISPLAY_NAME} characters long")
    if spec["JobType"] not in _JOB_TYPES:
        raise invalid_parameter("JobType", spec["JobType"], f"one of {', '.join(sorted(_JOB_TYPES))}")
    text_in(spec, "WorkspaceId")
    object_in(object_in(spec, "Settings"), "Tags")
    number_in(spec, "Priority", 1, low=1, high=9)
    number_in(spec, "JobMaxRunningTimeMinutes", 1, low=1, high=1_000_000)
    for name, value in object_in(spec, "Envs").items():
        if not name or "=" in name or "\0" in f"{name}{value}":
            raise invalid_parameter("Envs", {name: value}, "names and values that an environment can hold")
    _check_pods(objects_in(spec, "JobSpecs"))
    _check_data_sources(objects_in(spec, "DataSources"))


def _check_pods(parts: list[dict[str, Any]]) -> None:
    if not parts:
        raise missing_parameter("JobSpecs")
    for part in parts:
        if not _POD_KIND.fullmatch(text_in(part, "Type") or "Worker"):
            raise invalid_parameter("Type", part["Type"], "a word such as Worker")
    count = sum(number_in(part, "PodCount", 1, low=1, high=_MAX_PODS) for part in parts)
    if count > _MAX_PODS:
        raise invalid_parameter("PodCount", count, f"at most {_MAX_PODS} in all on this machine")


def _check_data_sources(sources: list[dict[str, Any]]) -> None:
    paths = [text_in(source, "MountPath") for source in sources]
    if any(not path.startswith("/") or not path.strip("/") for path in paths) or len({*paths}) < len(paths):
        raise invalid_parameter("MountPath", paths, "an absolute path below the root, each one once")
    for source in sources:
        access = text_in(source, "MountAccess")
        if access not in {"", "RO", "RW"}:
            raise invalid_parameter("MountAccess", access, "RO or RW")
        try:
            parse_uri(text_in(source, "Uri"))
        except MountError as error:
            raise AcsError(400, "InvalidParameter", str(error)) from None


def _is_wanted(job: Job, request: AcsRequest) -> bool:
    query = request.query
    spec = job.spec
    equal = {"WorkspaceId": spec.get("WorkspaceId") or "", "JobType": spec["JobType"], "Status": job.status}
    if any(query.get(name) and query[name] != str(value) for name, value in equal.items()):
        return False
    ids = [query["JobId"]] if query.get("JobId") else [part for part in query.get("JobIds", "").split(",") if part]
    if ids and job.id not in ids:
        return False
    contains = {"DisplayName": spec["DisplayName"], "UserCommandSearch": spec["UserCommand"]}
    if any(query.get(name, "").lower() not in text.lower() for name, text in contains.items()):
        return False
    tags = (spec.get("Settings") or {}).get("Tags") or {}
    if any(tags.get(name) != value for name, value in request.mapping("Tags").items()):
        return False
    start, end = request.time_ms("StartTime"), request.time_ms("EndTime")
    return (start is None or job.created_ms >= start) and (end is None or job.created_ms <= end)


def _events(job: Job, request: AcsRequest, subject: str) -> list[str]:
    start, end = request.time_ms("StartTime"), request.time_ms("EndTime")
    limit = request.integer("MaxEventsNum", _DEFAULT_LINES, low=1, high=_DEFAULT_LINES)
    lines = [
        event_line(each, subject)
        for each in job.transitions
        if (start is None or each.at_ms >= start) and (end is None or each.at_ms <= end)
    ]
    return lines[-limit:]


def _sortable(value: str | int | None) -> tuple[int, str]:
    return (value, "") if isinstance(value, int) else (0, value or "")
