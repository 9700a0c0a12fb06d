"""The operators of Bailian against the local cloud, which really trains, deploys and indexes."""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
from airflow.sdk.exceptions import AirflowFailException, TaskDeferred
from airflow.triggers.base import BaseTrigger

from alibaba_ai.links.bailian import BailianDeploymentLink, BailianFineTuneLink, BailianIndexLink
from alibaba_ai.operators.bailian_deploy import BailianDeployOperator
from alibaba_ai.operators.bailian_fine_tune import BailianFineTuneOperator
from alibaba_ai.operators.bailian_index import BailianIndexOperator
from alibaba_ai.triggers.bailian import BailianFineTuneTrigger
from searchloom.cloud.bailian import Bailian
from searchloom.cloud.bailian_jobs import FineTune
from searchloom.cloud.bailian_rag import BailianRag
from searchloom.cloud.oss import Oss
from searchloom.settings import Settings
from tests.plugins.running import Instance, outcome
from tests.servers import LocalCloud

KEY = "bailian/train.jsonl"


@pytest.fixture
def bailian(connected: Settings) -> Iterator[Bailian]:
    client = Bailian(connected.bailian)
    yield client
    client.close()


@pytest.fixture(autouse=True)
def _training_data(oss: Oss) -> None:
    lines = [
        {
            "messages": [
                {"role": "user", "content": f"Whale {number}?"},
                {"role": "assistant", "content": f"It is whale {number}."},
            ]
        }
        for number in range(4)
    ]
    oss.put(KEY, "\n".join(map(json.dumps, lines)).encode())


def tune(**more: Any) -> BailianFineTuneOperator:
    given: dict[str, Any] = {
        "model": "qwen-turbo",
        "training": [KEY],
        "hyper_parameters": {"n_epochs": 1, "batch_size": 2, "max_length": 64},
        "poll_interval_s": 0.2,
    }
    return BailianFineTuneOperator(task_id="job", **given | more)


def long(**more: Any) -> BailianFineTuneOperator:
    """A fine-tune that takes longer than any test waits."""
    return tune(hyper_parameters={"n_epochs": 200, "batch_size": 1, "max_length": 64}, **more)


def started(trigger: BaseTrigger) -> str:
    assert isinstance(trigger, BailianFineTuneTrigger)
    return trigger.job_id


def reached(bailian: Bailian, job_id: str, *statuses: str) -> FineTune:
    deadline = time.monotonic() + 60
    while (job := bailian.fine_tune(job_id=job_id)).status not in statuses:
        assert time.monotonic() < deadline, job
        time.sleep(0.2)
    return job


def cancel(bailian: Bailian, job_id: str) -> None:
    """End a fine-tune that no test looks at any more."""
    bailian.cancel_fine_tune(job_id=job_id)
    reached(bailian, job_id, "CANCELED")


def jobs_on(bailian: Bailian, job_id: str) -> list[str]:
    files = bailian.fine_tune(job_id=job_id).training_files
    return [job.job_id for job in bailian.fine_tunes() if job.training_files == files]


@pytest.mark.slow
def test_a_model_is_made_and_the_training_s_log_is_in_the_task_s(
    bailian: Bailian, capfd: pytest.CaptureFixture[str]
) -> None:
    task = Instance()
    operator = tune(suffix="tested")
    trigger = task.defer(operator)
    assert started(trigger) in task.xcoms[BailianFineTuneLink.xcom_key]
    event = outcome(trigger)
    assert event["status"] == "success", event
    model = operator.execute_complete(task.context, event)
    assert model == bailian.fine_tune(job_id=started(trigger)).model
    assert "tested" in model
    last = bailian.fine_tune_logs(job_id=started(trigger))[-1]
    assert last in "".join(capfd.readouterr())


def test_whoever_dies_the_next_one_finds_the_same_fine_tune(bailian: Bailian) -> None:
    task = Instance()
    first = started(task.defer(long()))
    assert started(task.defer(long())) == first  # the same try, in another worker
    task.again()
    assert started(task.defer(long())) == first  # a retry
    assert jobs_on(bailian, first) == [first]
    reached(bailian, first, "RUNNING")
    task.again(cleared=True)
    second = started(task.defer(long()))
    assert second != first
    reached(bailian, first, "CANCELING", "CANCELED")
    cancel(bailian, second)


def test_an_answer_that_got_lost_makes_no_second_upload_and_no_second_fine_tune(
    bailian: Bailian, cloud: LocalCloud
) -> None:
    task = Instance()
    files = len(list(bailian.file_names()))
    for action in ("UploadFile", "CreateFineTune"):
        fault = {"service": "dashscope", "action": action, "kind": "lost_answer", "count": 1}
        httpx.post(f"{cloud.endpoint}/_faults", json=fault).raise_for_status()
    with pytest.raises(Exception, match="cannot be reached"):  # the upload's answer
        task.execute(long())
    task.again()
    job_id = started(task.defer(long()))  # the fine-tune's answer gets lost too, and is looked for
    assert len(list(bailian.file_names())) == files + 1
    assert jobs_on(bailian, job_id) == [job_id]
    cancel(bailian, job_id)


def test_a_fine_tune_of_somebody_else_on_the_same_files_is_left_alone(bailian: Bailian) -> None:
    mine = Instance()
    theirs = started(Instance().defer(long()))
    files = list(bailian.fine_tune(job_id=theirs).training_files)
    first = started(mine.defer(long(training=files, files="ids")))
    assert first != theirs
    mine.again()
    assert started(mine.defer(long(training=files, files="ids"))) == first
    for job_id in (first, theirs):
        cancel(bailian, job_id)


def test_killing_the_worker_or_marking_the_deferred_task_cancels_the_fine_tune(bailian: Bailian) -> None:
    task, operator = Instance(), long()
    trigger = task.defer(operator)
    reached(bailian, started(trigger), "RUNNING")
    operator.on_kill()
    reached(bailian, started(trigger), "CANCELED")
    assert outcome(trigger)["status"] == "failed"
    marked = Instance().defer(long())
    reached(bailian, started(marked), "RUNNING")
    asyncio.run(marked.on_kill())
    reached(bailian, started(marked), "CANCELED")
    killed = long()
    killed.on_kill()
    with pytest.raises(AirflowFailException, match="was killed"):
        Instance().execute(killed)


def test_a_fine_tune_that_outlives_execution_timeout_is_cancelled(bailian: Bailian) -> None:
    trigger = Instance().defer(long(execution_timeout=timedelta(seconds=0.5)))
    event = outcome(trigger)
    assert (event["status"], "execution_timeout and was cancelled" in event["message"]) == ("error", True)
    reached(bailian, started(trigger), "CANCELED")


@pytest.mark.parametrize(
    "wrong", [{"training": []}, {"training": KEY}, {"training": ["bailian/none.jsonl"]}, {"model": "no-such-model"}]
)
def test_what_can_not_be_fine_tuned_is_refused_without_a_retry(wrong: dict[str, Any]) -> None:
    with pytest.raises(AirflowFailException):
        Instance().execute(tune(**wrong))


@pytest.mark.slow
def test_a_deployment_is_made_once_and_answers_under_its_name(bailian: Bailian) -> None:
    suffix = f"t{secrets.token_hex(4)}"
    task = Instance()

    def operator(capacity: int | str = 1) -> BailianDeployOperator:
        return BailianDeployOperator(
            task_id="job", model="qwen-turbo", suffix=suffix, capacity=capacity, poll_interval_s=0.2
        )

    first = task.defer(operator())
    task.again()
    event = outcome(task.defer(operator()))
    assert outcome(first)["result"] == event["result"]
    assert event["status"] == "success", event
    name = operator().execute_complete(task.context, event)
    assert name in task.xcoms[BailianDeploymentLink.xcom_key]
    assert bailian.chat([{"role": "user", "content": "Hello"}], model=name, max_tokens=2).text
    assert outcome(task.defer(operator("2")))["status"] == "success"
    (mine,) = [one for one in bailian.deployments() if one.name.endswith(suffix)]
    assert (mine.capacity, mine.ready_capacity) == (2, 2)
    bailian.delete_deployment(name=name)


@pytest.mark.parametrize("wrong", [{"capacity": "none"}, {"capacity": 0}, {"model": "no-such-model"}])
def test_what_can_not_be_deployed_is_refused_without_a_retry(wrong: dict[str, Any]) -> None:
    with pytest.raises(AirflowFailException):
        Instance().execute(BailianDeployOperator(task_id="job", **{"model": "qwen-turbo"} | wrong))


@pytest.mark.slow
def test_an_index_holds_the_documents_once_whoever_dies_and_grows_by_new_ones(oss: Oss, connected: Settings) -> None:
    name = f"index-{secrets.token_hex(4)}"
    oss.put("bailian/whales.txt", b"Whales sing to each other over hundreds of kilometres.")
    oss.put("bailian/bread.txt", b"Bread rises because yeast makes carbon dioxide in the dough.")

    def operator(*keys: str) -> BailianIndexOperator:
        return BailianIndexOperator(task_id="job", name=name, keys=keys, poll_interval_s=0.2)

    task = Instance()
    first = task.defer(operator("bailian/whales.txt"))
    task.again()
    parsed = task.defer(operator("bailian/whales.txt"))
    assert parsed.file_ids == first.file_ids  # type: ignore[attr-defined]
    event = outcome(parsed)
    filling = [waiting_to_fill(operator("bailian/whales.txt"), task, event) for _ in range(2)]
    assert filling[0].job_id == filling[1].job_id  # type: ignore[attr-defined]
    done = outcome(filling[0])
    assert done["status"] == "success", done
    assert done["result"] in task.xcoms[BailianIndexLink.xcom_key]
    task.again(cleared=True)
    grown = operator("bailian/bread.txt")
    assert outcome(waiting_to_fill(grown, task, outcome(task.defer(grown))))["status"] == "success"
    rag = BailianRag(connected.acs, workspace_id=connected.bailian.workspace_id)
    assert rag.find_index(name=name) == done["result"]
    assert "Whales" in rag.retrieve(index_id=done["result"], query="How do whales talk?", top=1)[0].text
    assert "Bread" in rag.retrieve(index_id=done["result"], query="Why does bread rise?", top=1)[0].text
    rag.delete_index(index_id=done["result"])


def waiting_to_fill(operator: BailianIndexOperator, task: Instance, event: dict[str, str]) -> BaseTrigger:
    with pytest.raises(TaskDeferred) as deferred:
        operator.fill(task.context, event)
    return deferred.value.trigger  # type: ignore[no-any-return]


def test_an_index_of_nothing_is_refused_without_a_retry() -> None:
    for keys in ([], "bailian/whales.txt", ["bailian/none.txt"]):
        with pytest.raises(AirflowFailException):
            Instance().execute(BailianIndexOperator(task_id="job", name="nothing", keys=keys))
