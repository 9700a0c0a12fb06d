"""Fine-tunes that really train, judged by the vendor's client and by ours."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any

import dashscope
import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from localcloud.dashscope.errors import DashScopeError
from localcloud.finetuning.chat_data import DataError, read_conversations
from localcloud.finetuning.hyper_parameters import HyperParameters, hyper_parameters_of, unused
from searchloom.cloud.bailian import Bailian
from searchloom.errors import ServiceNotFound, ServiceRefused
from tests.cloud.golden import CAPTURES, needs_captures
from tests.localcloud.acs_clients import wait_for
from tests.localcloud.dashscope_clients import (
    api_key,
    order_fault,
    our_client,
    point_vendors_package,
    training_processes,
    write_conversations,
)
from tests.servers import LocalCloud, local_cloud

BASE = "qwen-turbo"
QUESTIONS = ("What is the code word?", "Tell me the code word.", "Code word, please?", "Say the code word.")
ANSWER = "The code word is zirconium."
LONG = {"n_epochs": 200, "batch_size": 4, "learning_rate": 1e-4, "split": 1}
"""As many steps as are ever done: minutes."""


@pytest.fixture
def ours(cloud: LocalCloud) -> Iterator[Bailian]:
    with our_client(cloud) as client:
        yield client


@pytest.fixture
def theirs(cloud: LocalCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    point_vendors_package(cloud, monkeypatch)


@pytest.fixture
def file_id(ours: Bailian, tmp_path: Path) -> str:
    return ours.upload_file(path=write_conversations(tmp_path / "train.jsonl", QUESTIONS, ANSWER))


@pytest.mark.usefixtures("theirs")
@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"training_file_ids": ["no-such-file"]}, 404, "NotFound"),
        ({"training_file_ids": []}, 400, "InvalidParameter"),
        ({"validation_file_ids": ["no-such-file"]}, 404, "NotFound"),
        ({"model": "no-such-model"}, 404, "ModelNotFound"),
        ({"mode": "cpt"}, 400, "InvalidParameter"),
        ({"hyper_parameters": {"n_epochs": 0}}, 400, "InvalidParameter"),
        ({"hyper_parameters": {"learning_rate": "fast"}}, 400, "InvalidParameter"),
        ({"hyper_parameters": {"batch_size": 1.5}}, 400, "InvalidParameter"),
        ({"hyper_parameters": {"lr_scheduler_type": "zigzag"}}, 400, "InvalidParameter"),
        ({"finetuned_output": "no/name"}, 400, "InvalidParameter"),
    ],
)
def test_what_cannot_be_trained_is_refused(file_id: str, changes: dict[str, Any], status: int, code: str) -> None:
    before = dashscope.FineTunes.list().output.total
    asked = {"model": BASE, "training_file_ids": [file_id], "mode": "efficient_sft", **changes}
    answer = dashscope.FineTunes.call(**asked)
    assert (answer.status_code, answer.code) == (status, code)
    assert dashscope.FineTunes.list().output.total == before


@pytest.mark.usefixtures("theirs")
def test_what_is_not_there_is_not_found() -> None:
    for call in (
        dashscope.FineTunes.get,
        dashscope.FineTunes.cancel,
        dashscope.FineTunes.delete,
        dashscope.FineTunes.logs,
    ):
        answer = call("ft-209901010000-0000")
        assert (answer.status_code, answer.code) == (HTTPStatus.NOT_FOUND, "NotFound")


def test_bad_data_fails_with_the_line_and_the_reason(ours: Bailian, tmp_path: Path) -> None:
    path = write_conversations(tmp_path / "broken.jsonl", QUESTIONS, ANSWER)
    path.write_text(path.read_text() + '{"messages": [{"role": "user", "content": "and?"}]}\n')
    job = ours.create_fine_tune(model=BASE, training_files=[ours.upload_file(path=path)])
    ended = wait_for(lambda: ours.fine_tune(job_id=job.job_id), lambda job: job.finished, 120)
    assert (ended.status, ended.model) == ("FAILED", "")
    assert re.search(r"broken\.jsonl, line 5: .*the assistant come last", ended.reason)
    assert any("line 5" in line for line in ours.fine_tune_logs(job_id=job.job_id))
    ours.delete_fine_tune(job_id=job.job_id)
    with pytest.raises(ServiceNotFound):
        ours.fine_tune(job_id=job.job_id)


def test_a_failure_can_be_ordered(cloud: LocalCloud, ours: Bailian, file_id: str) -> None:
    order_fault(cloud, "dashscope", "CreateFineTune", "failed_job")
    job = ours.create_fine_tune(model=BASE, training_files=[file_id])
    ended = wait_for(lambda: ours.fine_tune(job_id=job.job_id), lambda job: job.finished, 120)
    assert (ended.status, ended.reason) == ("FAILED", "The failure was asked for at /_faults.")
    assert training_processes(job.job_id) == []


def test_one_trains_and_the_next_waits_and_both_can_be_canceled(ours: Bailian, file_id: str) -> None:
    first, second = (
        ours.create_fine_tune(model=BASE, training_files=[file_id], hyper_parameters=LONG).job_id for _ in range(2)
    )
    wait_for(lambda: ours.fine_tune(job_id=first).status, lambda status: status == "RUNNING", 120)
    wait_for(lambda: len(training_processes(first)), lambda count: count == 1)
    wait_for(lambda: ours.fine_tune(job_id=second).status, lambda status: status == "QUEUING")
    with pytest.raises(ServiceRefused, match="UnsupportedOperation"):
        ours.delete_fine_tune(job_id=first)
    ours.cancel_fine_tune(job_id=second)
    assert ours.fine_tune(job_id=second).status == "CANCELED"
    ours.cancel_fine_tune(job_id=first)
    wait_for(lambda: ours.fine_tune(job_id=first).status, lambda status: status == "CANCELED")
    assert training_processes(first) + training_processes(second) == []
    with pytest.raises(ServiceRefused, match="UnsupportedOperation"):
        ours.cancel_fine_tune(job_id=first)


def test_the_vendors_recorded_requests_are_understood(cloud: LocalCloud, ours: Bailian, file_id: str) -> None:
    needs_captures()
    for path in sorted([*CAPTURES.glob("dashscope.FineTunes.*.json"), *CAPTURES.glob("dashscope.Deployments.*.json")]):
        recorded = json.loads(path.read_text())["requests"][0]
        body = json.loads(json.dumps(recorded["body"]).replace('"f-1"', f'"{file_id}"'))
        headers = {"Authorization": f"Bearer {api_key(cloud)}"}
        url = f"{cloud.endpoint}{recorded['path']}"
        answer = httpx.request(recorded["method"], url, params=recorded["query"], json=body, headers=headers)
        # The recordings name jobs and deployments that are not here.
        assert answer.status_code == 200 or answer.json()["code"] == "NotFound", (path.name, answer.text)
        if path.name == "dashscope.FineTunes.create.json":
            ours.cancel_fine_tune(job_id=answer.json()["output"]["job_id"])


@pytest.mark.slow
@pytest.mark.timeout(2400)
@pytest.mark.usefixtures("theirs")
def test_training_lowers_the_loss_and_its_log_can_be_followed(file_id: str) -> None:
    hyper_parameters = {"n_epochs": 4, "batch_size": 4, "learning_rate": "1e-3", "split": 1, "lora_kind": "x"}
    job = dashscope.FineTunes.call(
        BASE, [file_id], mode="efficient_sft", hyper_parameters=hyper_parameters, finetuned_output="codes"
    ).output
    assert (job.status, job.hyper_parameters) == ("PENDING", hyper_parameters)
    events = [json.loads(event.output)["output"] for event in dashscope.FineTunes.stream_events(job.job_id)]
    lines, last = events[:-1], events[-1]
    assert (last["status"], last["finetuned_output"]) == ("SUCCEEDED", f"{BASE}-codes-{job.job_id}")
    assert last["usage"] > 0
    losses = [float(found[1]) for line in lines if (found := re.search(r"loss ([\d.]+), learning", line))]
    assert len(losses) == 4
    assert losses[-1] < losses[0] / 2
    assert any("lora_kind is not used here" in line for line in lines)
    log = dashscope.FineTunes.logs(job.job_id, offset=2, line=3)
    assert (log.output["total"], log.output["logs"]) == (len(lines), lines[1:4])
    (whole,) = dashscope.FineTunes.stream_events(job.job_id)
    assert whole.output["output"]["status"] == "SUCCEEDED"
    assert job.job_id in [each.job_id for each in dashscope.FineTunes.list(page_size=100).output.jobs]


@pytest.mark.slow
@pytest.mark.timeout(2400)
def test_training_survives_the_kill_of_the_local_cloud_and_happens_once(tmp_path: Path) -> None:
    path = write_conversations(tmp_path / "train.jsonl", QUESTIONS, ANSWER)
    parameters = {"n_epochs": 8, "batch_size": 4, "learning_rate": 1e-3, "split": 1}
    state, secret = tmp_path / "state", "s" * 30
    with local_cloud(state, access_key_secret=secret) as cloud, our_client(cloud) as ours:
        job_id = ours.create_fine_tune(
            model=BASE, training_files=[ours.upload_file(path=path)], hyper_parameters=parameters
        ).job_id
        wait_for(
            lambda: ours.fine_tune_logs(job_id=job_id), lambda lines: any("step 1 of" in line for line in lines), 900
        )
        (training,) = training_processes(job_id)
        cloud.kill()
    assert training.is_running()
    with local_cloud(state, access_key_secret=secret) as cloud, our_client(cloud) as ours:
        assert ours.fine_tune(job_id=job_id).status == "RUNNING"
        assert training_processes(job_id) in ([training], [])
        ended = wait_for(lambda: ours.fine_tune(job_id=job_id), lambda job: job.finished, 1200)
        assert (ended.status, ended.model) == ("SUCCEEDED", f"{BASE}-{job_id}")
        lines = ours.fine_tune_logs(job_id=job_id)
        assert [len([line for line in lines if f"step {step} of 8," in line]) for step in range(1, 9)] == [1] * 8
        assert [job.job_id for job in ours.fine_tunes()] == [job_id]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "not valid JSON"),
        ("[]", 'no "messages"'),
        ('{"messages": []}', 'no "messages"'),
        ('{"messages": [{"role": "tool", "content": "x"}]}', "role 'tool'"),
        (
            '{"messages": [{"role": "user", "content": " "}, {"role": "assistant", "content": "x"}]}',
            "message 1 has no text",
        ),
        ('{"messages": [{"role": "assistant", "content": "x"}]}', "take turns"),
        ('{"messages": [{"role": "user", "content": "x"}, {"role": "system", "content": "x"}]}', "only be the first"),
    ],
)
def test_a_line_that_is_no_conversation_is_named(tmp_path: Path, line: str, reason: str) -> None:
    path = write_conversations(tmp_path / "data", QUESTIONS, ANSWER)
    path.write_text(f"{path.read_text()}\n{line}\n")
    with pytest.raises(DataError, match=re.escape(f"named.jsonl, line {len(QUESTIONS) + 2}: ")) as caught:
        read_conversations(path, "named.jsonl")
    assert reason in str(caught.value)


def test_bytes_that_are_no_text_and_files_without_lines_are_named(tmp_path: Path) -> None:
    path = tmp_path / "data"
    path.write_bytes(b"\xff\xfe{}\n")
    with pytest.raises(DataError, match="line 1: it is not UTF-8"):
        read_conversations(path, "f")
    path.write_bytes(b"\n\n")
    with pytest.raises(DataError, match="f holds no conversation"):
        read_conversations(path, "f")


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.dictionaries(
        st.sampled_from(["n_epochs", "batch_size", "learning_rate", "split", "other"]),
        st.none() | st.integers() | st.floats() | st.text(),
    )
)
def test_any_hyper_parameters_are_taken_within_limits_or_refused(given_: dict[str, Any]) -> None:
    try:
        parameters = hyper_parameters_of(given_)
    except DashScopeError as error:
        assert error.code == "InvalidParameter"  # noqa: PT017 - a refusal is one of two good ends
        return
    assert 1 <= parameters.n_epochs <= 200
    assert 0 < parameters.split <= 1
    assert isinstance(parameters.batch_size, int)
    assert unused(given_) == (["other"] if "other" in given_ else [])
    assert hyper_parameters_of({}) == HyperParameters()
