"""A training as a job of PAI-DLC: its command, the folders of OSS that it sees, its environment."""

from __future__ import annotations

import shlex
from dataclasses import asdict, dataclass

from searchloom.cloud.pai_dlc import Mount
from searchloom.embedding.card import Kind, model_prefix
from searchloom.training import training_set as sets
from searchloom.training.parameters import Parameters, model_version
from searchloom.training.program import options

_SET, _BASE, _RETRIEVER = "/mnt/training-set", "/mnt/base", "/mnt/retriever"
_MODEL, _CHECKPOINTS = "/mnt/model", "/mnt/checkpoints"
_OVERHEAD = 3.0  # a busy machine: minutes on the wall for one of training; starting and saving come on top


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingJob:
    """What ``PaiDlcJobOperator`` takes, as JSON has it, and the version that the job makes."""

    version: str
    command: str
    data_sources: list[dict[str, str]]
    environment: dict[str, str]
    max_minutes: int


def checkpoints_prefix(kind: Kind, version: str) -> str:
    """Where the checkpoints of a training lie in the bucket until it ends."""
    return f"checkpoints/{kind}/{version}/"


def training_job(
    kind: Kind,
    *,
    bucket: str,
    corpus: str,
    training_set: str,
    base: str,
    parameters: Parameters,
    base_kind: Kind = "embedding",
    retriever: str = "",
    teacher: str = "",
    teacher_fingerprint: str = "",
    dims: int = 0,
    python: str = "python",
) -> TrainingJob:
    """Describe the job that trains from ``base`` (a version in OSS) on a training set (its fingerprint).

    The same arguments are the same job and the same version, so that a retry goes on from the checkpoints of the try
    before it, and does nothing where the model is there. ``retriever``: version of the bi-encoder that finds a
    reranker's candidates, where the base is none. ``teacher``: name of the file of scores in the set's folder, with
    its fingerprint.
    """
    version = model_version(
        kind, training_set=training_set, base=base, parameters=parameters, teacher=teacher_fingerprint
    )
    mounts = [
        Mount(uri=f"oss://{bucket}/{sets.prefix(corpus, training_set)}", path=_SET),
        Mount(uri=f"oss://{bucket}/{model_prefix(base, base_kind)}", path=_BASE),
        Mount(uri=f"oss://{bucket}/{model_prefix(version, kind)}", path=_MODEL, access="RW"),
        Mount(uri=f"oss://{bucket}/{checkpoints_prefix(kind, version)}", path=_CHECKPOINTS, access="RW"),
    ]
    words = [python, "-m", f"searchloom.training.{kind}", "--version", version]
    words += ["--training-set", _SET, "--base", _BASE, "--model", _MODEL, "--checkpoints", _CHECKPOINTS]
    if retriever:
        mounts.append(Mount(uri=f"oss://{bucket}/{model_prefix(retriever)}", path=_RETRIEVER))
        words += ["--retriever", _RETRIEVER]
    if teacher:
        words += ["--teacher", f"{_SET}/{teacher}"]
    if dims:
        words += ["--dims", str(dims)]
    return TrainingJob(
        version=version,
        command=shlex.join([*words, *options(parameters)]),
        data_sources=[asdict(mount) for mount in mounts],
        environment={
            "HF_HUB_OFFLINE": "1",
            "TOKENIZERS_PARALLELISM": "false",
            "PYTHONUNBUFFERED": "1",
            "OMP_WAIT_POLICY": "PASSIVE",  # a thread that waits leaves its core to the others of the machine
        },
        max_minutes=round(parameters.max_minutes * _OVERHEAD) + 10,
    )
