"""The pods of a job: names, ranks, commands and environments."""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from localcloud.mounts import Mount, localized, parse_uri
from localcloud.processes import as_environment, base_environment

# Every process of a job has this variable, which is how all of them are found.
JOB_VARIABLE = "DLC_JOB_ID"


@dataclass(frozen=True, slots=True)
class Pod:
    """One process of a job; ``rank`` counts over all pods, the master first."""

    name: str
    kind: str
    rank: int


def pods_of(job_id: str, spec: Mapping[str, Any]) -> list[Pod]:
    """The pods that ``JobSpecs`` asks for; the first worker of a PyTorchJob without a master is its master."""
    kinds = [
        str(part.get("Type") or "Worker").lower()
        for part in spec["JobSpecs"]
        for _ in range(int(part.get("PodCount") or 1))
    ]
    if spec["JobType"] == "PyTorchJob" and "master" not in kinds:
        kinds[0] = "master"
    kinds.sort(key=lambda kind: kind not in {"master", "chief"})
    counts: dict[str, int] = {}
    pods = []
    for rank, kind in enumerate(kinds):
        index = counts.get(kind, 0)
        counts[kind] = index + 1
        pods.append(Pod(f"{job_id}-{kind}-{index}", kind, rank))
    return pods


def mounts_of(spec: Mapping[str, Any], folder: Path) -> list[Mount]:
    """The folders that the job's ``DataSources`` become; raises ``MountError`` for one that is not OSS."""
    mounts = []
    for number, source in enumerate(spec.get("DataSources") or []):
        bucket, prefix = parse_uri(str(source.get("Uri") or ""))
        writable = (source.get("MountAccess") or "RW") == "RW"
        mounts.append(Mount(bucket, prefix, source["MountPath"], folder / "mounts" / str(number), writable))
    return mounts


def plan(job_id: str, spec: Mapping[str, Any], folder: Path, mounts: Sequence[Mount]) -> dict[str, Any]:
    """What the runner reads: each pod's command, environment and working folder."""
    pods = pods_of(job_id, spec)
    shared = {
        JOB_VARIABLE: job_id,
        "JOB_ID": job_id,
        "WORLD_SIZE": len(pods),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": _free_port(),
        **{f"MOUNT_PATH_{number}": mount.folder for number, mount in enumerate(mounts)},
    }
    own = {name: localized(str(value), mounts) for name, value in (spec.get("Envs") or {}).items()}
    command = localized(spec["UserCommand"], mounts)
    minutes = spec.get("JobMaxRunningTimeMinutes")
    return {
        "max_running_s": float(minutes) * 60 if minutes else None,
        "pods": [
            {
                "name": pod.name,
                "command": command,
                "cwd": str(folder / "work"),
                "env": as_environment(base_environment(), {**own, **shared, "RANK": pod.rank, "POD_NAME": pod.name}),
            }
            for pod in pods
        ],
    }


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
