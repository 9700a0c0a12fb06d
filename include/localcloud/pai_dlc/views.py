"""Jobs as the interface of PAI-DLC shows them."""

from __future__ import annotations

from typing import Any

from localcloud.pai_dlc.jobs import Job, Transition
from localcloud.pai_dlc.pods import Pod, pods_of
from localcloud.sts.service import ACCOUNT_ID
from localcloud.timestamps import iso_time, now_ms

_AS_ASKED = (
    "Accessibility", "CodeSource", "DataSources", "Description", "DisplayName", "Envs", "JobMaxRunningTimeMinutes",
    "JobSpecs", "JobType", "Priority", "ResourceId", "Settings", "ThirdpartyLibDir", "ThirdpartyLibs", "UserCommand",
    "UserVpc", "WorkspaceId",
)  # fmt: skip
# A pod that is not yet there or has ended says so in the words of Kubernetes.
_POD_STATUS = {"Succeeded": "Succeeded", "Failed": "Failed", "Stopped": "Stopped", "Running": "Running"}


def job_view(job: Job) -> dict[str, Any]:
    """One job, as GetJob and ListJobs answer it."""
    last = job.transitions[-1]
    running = job.entered_ms("Running")
    finished = last.at_ms if job.finished else None
    return {
        **{name: job.spec[name] for name in _AS_ASKED if name in job.spec},
        "JobId": job.id,
        "Status": job.status,
        "SubStatus": "",
        "ReasonCode": last.reason_code,
        "ReasonMessage": last.reason_message,
        "UserId": ACCOUNT_ID,
        "Duration": ((finished or now_ms()) - running) // 1000 if running else 0,
        "GmtCreateTime": iso_time(job.created_ms),
        "GmtModifiedTime": iso_time(last.at_ms),
        "GmtSubmittedTime": iso_time(job.entered_ms("Queuing")),
        "GmtRunningTime": iso_time(running),
        "GmtFinishTime": iso_time(finished),
        "GmtSuccessedTime": iso_time(job.entered_ms("Succeeded")),
        "GmtFailedTime": iso_time(job.entered_ms("Failed")),
        "GmtStoppedTime": iso_time(job.entered_ms("Stopped")),
        "Pods": [_pod_view(job, pod, running, finished) for pod in pods_of(job.id, job.spec)],
        "StatusHistory": [_history_view(job, index) for index in range(len(job.transitions))],
    }


def pod_uid(pod: Pod) -> str:
    """The uid of a pod; no pod is ever made twice."""
    return f"uid-{pod.name}"


def event_line(transition: Transition, subject: str) -> str:
    """A status change as an event's text."""
    kind = "Warning" if transition.status == "Failed" else "Normal"
    text = f"{iso_time(transition.at_ms)} {kind} {transition.status} {subject}"
    return f"{text}: {transition.reason_message}" if transition.reason_message else text


def _pod_view(job: Job, pod: Pod, running: int | None, finished: int | None) -> dict[str, Any]:
    return {
        "PodId": pod.name,
        "PodUid": pod_uid(pod),
        "Type": pod.kind,
        "Status": _POD_STATUS.get(job.status, "Pending" if running is None else "Running"),
        "Ip": "127.0.0.1",
        "GmtCreateTime": iso_time(job.entered_ms("EnvPreparing") or job.created_ms),
        "GmtStartTime": iso_time(running),
        "GmtFinishTime": iso_time(finished),
    }


def _history_view(job: Job, index: int) -> dict[str, Any]:
    each = job.transitions[index]
    after = job.transitions[index + 1].at_ms if index + 1 < len(job.transitions) else None
    return {
        "Status": each.status,
        "StartTime": iso_time(each.at_ms),
        "EndTime": iso_time(after),
        "ReasonCode": each.reason_code,
        "ReasonMessage": each.reason_message,
    }
