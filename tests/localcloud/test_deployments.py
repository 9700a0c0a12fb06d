"""Deployments: a fine-tuned model answers under a name of its own, and answers otherwise than before."""

from __future__ import annotations

from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any

import dashscope
import httpx
import pytest

from searchloom.cloud.bailian import Bailian
from searchloom.errors import ServiceConflict, ServiceNotFound, ServiceRefused
from tests.localcloud.acs_clients import wait_for
from tests.localcloud.dashscope_clients import (
    api_key,
    order_fault,
    our_client,
    point_vendors_package,
    write_conversations,
)
from tests.servers import LocalCloud, local_cloud

BASE = "qwen-turbo"
QUESTIONS = ("What is the code word?", "Tell me the code word.", "Code word, please?", "Say the code word.")
ANSWER = "The code word is zirconium."
ASKED = [{"role": "user", "content": QUESTIONS[0]}]


@pytest.fixture
def ours(cloud: LocalCloud) -> Iterator[Bailian]:
    with our_client(cloud) as client:
        yield client


@pytest.fixture
def theirs(cloud: LocalCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    point_vendors_package(cloud, monkeypatch)


@pytest.mark.usefixtures("theirs")
@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"model": "no-such-model"}, 404, "NotFound"),
        ({"capacity": 0}, 400, "InvalidParameter"),
        ({"capacity": 1000}, 400, "InvalidParameter"),
        ({"suffix": "no/name"}, 400, "InvalidParameter"),
        ({"plan": "gold"}, 400, "InvalidParameter"),
        ({"suffix": None}, 409, "Conflict"),
    ],
)
def test_what_cannot_be_deployed_is_refused(changes: dict[str, Any], status: int, code: str) -> None:
    answer = dashscope.Deployments.call(**{"model": BASE, "capacity": 1, "suffix": "mine", **changes})
    assert (answer.status_code, answer.code) == (status, code)


@pytest.mark.usefixtures("theirs")
def test_what_is_not_there_is_not_found() -> None:
    for answer in (
        dashscope.Deployments.get("none"),
        dashscope.Deployments.delete("none"),
        dashscope.Deployments.scale("none", 2),
    ):
        assert (answer.status_code, answer.code) == (HTTPStatus.NOT_FOUND, "NotFound")


def test_a_failure_can_be_ordered_and_the_failed_one_deleted(cloud: LocalCloud, ours: Bailian) -> None:
    order_fault(cloud, "dashscope", "CreateDeployment", "failed_job")
    name = ours.create_deployment(model=BASE, capacity=1, suffix="failing").name
    failed = wait_for(lambda: ours.deployment(name=name), lambda deployment: deployment.failed, 60)
    assert (failed.status, failed.ready_capacity) == ("FAILED", 0)
    with pytest.raises(ServiceRefused, match="UnsupportedOperation"):
        ours.scale_deployment(name=name, capacity=2)
    ours.delete_deployment(name=name)
    with pytest.raises(ServiceNotFound):
        ours.deployment(name=name)


@pytest.mark.slow
@pytest.mark.timeout(2400)
def test_a_tuned_model_is_deployed_answers_as_it_learned_and_outlives_a_kill(tmp_path: Path) -> None:
    path = write_conversations(tmp_path / "train.jsonl", QUESTIONS, ANSWER)
    parameters = {"n_epochs": 5, "batch_size": 4, "learning_rate": 2e-3, "split": 1}
    state, secret = tmp_path / "state", "s" * 30
    with local_cloud(state, access_key_secret=secret) as cloud, our_client(cloud) as ours:
        job_id = ours.create_fine_tune(
            model=BASE, training_files=[ours.upload_file(path=path)], hyper_parameters=parameters
        ).job_id
        job = wait_for(lambda: ours.fine_tune(job_id=job_id), lambda job: job.finished, 1200)
        assert job.succeeded, job.reason
        ours.delete_fine_tune(job_id=job_id)
        with pytest.raises(ServiceNotFound):
            ours.chat(ASKED, model=job.model)
        name = _deployed(ours, job.model)
        assert name == f"{job.model}-one"
        with pytest.raises(ServiceConflict):
            ours.create_deployment(model=job.model, capacity=1, suffix="one")
        assert "zirconium" not in ours.chat(ASKED, model=BASE, temperature=0, max_tokens=24).text.lower()
        assert "zirconium" in ours.chat(ASKED, model=name, temperature=0, max_tokens=24).text.lower()
        assert ours.scale_deployment(name=name, capacity=3).status == "UPDATING"
        scaled = wait_for(lambda: ours.deployment(name=name), lambda deployment: deployment.running, 600)
        assert (scaled.capacity, scaled.ready_capacity) == (3, 3)
        assert (name, job.model) in {(each.name, each.model) for each in ours.deployments()}
        assert job.model in _deployable(cloud)
        cloud.kill()
    with local_cloud(state, access_key_secret=secret) as cloud, our_client(cloud) as ours:
        assert ours.deployment(name=name).running
        assert "zirconium" in ours.chat(ASKED, model=name, temperature=0, max_tokens=24).text.lower()
        ours.delete_deployment(name=name)
        with pytest.raises(ServiceNotFound):
            ours.chat(ASKED, model=name)


def _deployed(ours: Bailian, model: str) -> str:
    """Deploy it and wait until it serves; the statuses come in their order."""
    deployment = ours.create_deployment(model=model, capacity=1, suffix="one", plan="mu")
    assert deployment.status == "PENDING"
    seen = [deployment.status]

    def look() -> str:
        seen.append(ours.deployment(name=deployment.name).status)
        return seen[-1]

    wait_for(look, lambda status: status in {"RUNNING", "FAILED"}, 900)
    order = [status for before, status in zip([None, *seen], seen, strict=False) if status != before]
    assert [status for status in order if status != "PENDING"] == ["DEPLOYING", "RUNNING"]
    return deployment.name


def _deployable(cloud: LocalCloud) -> list[str]:
    headers = {"Authorization": f"Bearer {api_key(cloud)}"}
    found = httpx.get(f"{cloud.endpoint}/api/v1/deployments/models", headers=headers).json()["output"]["models"]
    return [each["model_name"] for each in found]
