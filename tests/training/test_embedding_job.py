"""Training as a job of PAI-DLC on the local cloud: killed in its middle, tried again, one model."""

from __future__ import annotations

import time
from pathlib import Path

import psutil
import pytest
from pydantic import SecretStr

from searchloom.cloud.oss import Oss
from searchloom.cloud.pai_dlc import Job, JobRequest, Mount, PaiDlc
from searchloom.embedding.encoder import Encoder
from searchloom.embedding.model import fetch, publish, read_card
from searchloom.settings import Acs
from searchloom.settings import Oss as OssSettings
from searchloom.training.job import TrainingJob, checkpoints_prefix, training_job
from searchloom.training.parameters import EmbeddingParameters, model_version
from searchloom.training.training_set import prefix
from tests.servers import local_cloud
from tests.training.models import tiny_base, tiny_set

PARAMETERS = EmbeddingParameters(
    epochs=60, learning_rate=1e-3, evaluations=1, blends=(1.0,), checkpoint_seconds=0.3, max_minutes=5
)


def described(corpus_set: str, *, bucket: str = "models") -> TrainingJob:
    return training_job(
        "embedding", bucket=bucket, corpus="tiny", training_set=corpus_set, base="tiny", parameters=PARAMETERS, dims=64
    )


def test_the_same_inputs_are_the_same_version_and_others_another() -> None:
    def version(**changed: object) -> str:
        told = {"training_set": "a" * 16, "base": "b", "parameters": PARAMETERS} | changed
        return model_version("embedding", **told)  # type: ignore[arg-type]

    one = version()
    assert one == version()
    others = [
        version(training_set="c" * 16),
        version(base="c"),
        version(parameters=PARAMETERS.model_copy(update={"seed": 1})),
        version(teacher="t"),
    ]
    assert len({one, *others}) == 5


def test_a_job_sees_its_folders_and_no_more() -> None:
    job = described("a" * 16)
    access = {source["path"]: (source["uri"], source["access"]) for source in job.data_sources}
    assert access == {
        "/mnt/training-set": (f"oss://models/training/tiny/{'a' * 16}/", "RO"),
        "/mnt/base": ("oss://models/models/embedding/tiny/", "RO"),
        "/mnt/model": (f"oss://models/models/embedding/{job.version}/", "RW"),
        "/mnt/checkpoints": (f"oss://models/checkpoints/embedding/{job.version}/", "RW"),
    }
    assert job.version in job.command


@pytest.mark.slow
def test_a_job_that_is_killed_is_tried_again_and_leaves_one_model(tmp_path: Path) -> None:
    with local_cloud(tmp_path / "state") as cloud:
        secret = SecretStr(cloud.access_key_secret)
        oss = Oss(
            OssSettings(
                endpoint=cloud.endpoint, region=cloud.region, bucket="models", access_key_id=cloud.access_key_id,
                access_key_secret=secret,
            )
        )  # fmt: skip
        oss.ensure_bucket()
        publish(oss, tiny_base(tmp_path / "base"), version="tiny", base="drawn by chance")
        card = tiny_set(tmp_path / "set")
        for path in (tmp_path / "set").iterdir():
            oss.upload(path, prefix("tiny", card.fingerprint) + path.name)
        acs = Acs(endpoint=cloud.endpoint, access_key_id=cloud.access_key_id, access_key_secret=secret)
        dlc = PaiDlc(acs, workspace_id="1")
        job = described(card.fingerprint)

        first = submitted(dlc, job, "try1")
        until(lambda: any("checkpoint of step" in line for line in log_of(dlc, dlc.get(job_id=first))))
        training = [each for each in psutil.process_iter(["cmdline"]) if job.version in (each.info["cmdline"] or [])]
        assert training
        for process in training:
            process.kill()
        assert ended(dlc, first).status == "Failed"
        assert not oss.exists(f"models/embedding/{job.version}/card.json")

        second = ended(dlc, submitted(dlc, job, "try2"))
        assert second.succeeded, log_of(dlc, second)
        assert any("going on from the checkpoint" in line for line in log_of(dlc, second))
        made = read_card(oss, job.version)
        assert made.metrics["dev_after_ndcg@10"] > made.metrics["dev_before_ndcg@10"]
        assert Encoder(fetch(oss, job.version, tmp_path / "cache"), 1).dims == 64
        assert list(oss.list(checkpoints_prefix("embedding", job.version))) == []
        versions = {info.key.split("/")[2] for info in oss.list("models/embedding/")}
        assert versions == {"tiny", job.version}

        third = ended(dlc, submitted(dlc, job, "try3"))
        assert any("is there already" in line for line in log_of(dlc, third))
        assert read_card(oss, job.version) == made


def submitted(dlc: PaiDlc, job: TrainingJob, name: str) -> str:
    return dlc.submit(
        JobRequest(
            name=f"{job.version}-{name}", command=job.command, image="python", ecs_spec="ecs.c6.large",
            mounts=[Mount(**source) for source in job.data_sources],  # type: ignore[arg-type]
            environment=job.environment, max_minutes=job.max_minutes,
        )
    )  # fmt: skip


def ended(dlc: PaiDlc, job_id: str) -> Job:
    until(lambda: dlc.get(job_id=job_id).finished)
    return dlc.get(job_id=job_id)


def log_of(dlc: PaiDlc, job: Job) -> list[str]:
    return list(dlc.logs(job_id=job.job_id, pod_id=job.pods[0].pod_id)) if job.pods else []


def until(holds: object, seconds: float = 400) -> None:
    assert callable(holds)
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.2)
