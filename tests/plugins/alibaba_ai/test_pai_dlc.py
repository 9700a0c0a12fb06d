"""The operator in a real Airflow task against the local cloud, which runs the jobs as processes."""

from __future__ import annotations

import asyncio
import json
import time
from datetime import timedelta
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException
from airflow.sdk.log import redact
from hypothesis import given
from hypothesis import strategies as st

from alibaba_ai.hooks.pai import PaiHook
from alibaba_ai.links.pai import PaiDlcJobLink
from alibaba_ai.operators.pai_dlc import PaiDlcJobOperator
from alibaba_ai.triggers.logs import unseen
from alibaba_ai.triggers.pai_dlc import PaiDlcJobTrigger
from searchloom.cloud.pai_dlc import Job, PaiDlc
from tests.plugins.alibaba_ai.conftest import WORKSPACE
from tests.plugins.running import Instance, outcome
from tests.servers import LocalCloud

SPEC: dict[str, Any] = {"image": "img", "machines": {"ecs_spec": "ecs.local"}, "poll_interval_s": 0.1}


class Task(Instance):
    """A task that runs a command; each ``submit`` is a fresh operator, as in a fresh worker."""

    def __init__(self, command: str, **more: Any) -> None:
        super().__init__()
        self.command, self.more = command, more

    def operator(self) -> PaiDlcJobOperator:
        return PaiDlcJobOperator(task_id="job", command=self.command, **SPEC | self.more)

    def submit(self) -> PaiDlcJobTrigger:
        trigger = self.defer(self.operator())
        assert isinstance(trigger, PaiDlcJobTrigger)
        return trigger

    def jobs(self, dlc: PaiDlc) -> list[Job]:
        return list(dlc.list(name=self.ti.dag_id))


def reached(dlc: PaiDlc, job_id: str, *statuses: str) -> Job:
    deadline = time.monotonic() + 30
    while (job := dlc.get(job_id=job_id)).status not in statuses:
        assert time.monotonic() < deadline, job
        time.sleep(0.1)
    return job


def test_whoever_dies_between_submitting_and_deferring_the_next_one_finds_the_same_job(dlc: PaiDlc) -> None:
    task = Task("sleep 1; echo done")
    first = task.submit().job_id
    assert task.submit().job_id == first  # the same try, in another worker
    task.again()
    trigger = task.submit()  # a retry, while the job runs
    assert trigger.job_id == first
    assert outcome(trigger)["status"] == "success"
    task.again()
    assert task.submit().job_id == first  # a retry of a task that died after its job had succeeded
    assert len(task.jobs(dlc)) == 1


def test_a_retry_of_a_failed_job_and_a_cleared_task_make_a_new_one(dlc: PaiDlc) -> None:
    task = Task("exit 3")
    first = task.submit()
    assert outcome(first)["status"] == "error"
    task.command = "sleep 60"
    task.again()
    second = task.submit()
    assert second.job_id != first.job_id
    task.again(cleared=True)
    third = task.submit()
    assert third.job_id != second.job_id
    assert reached(dlc, second.job_id, "Stopping", "Stopped")
    asyncio.run(third.on_kill())


def test_the_link_is_there_before_the_task_defers() -> None:
    task = Task("true")
    job_id = task.submit().job_id
    assert job_id in task.xcoms[PaiDlcJobLink.xcom_key]
    assert task.xcoms["job_id"] == job_id


def test_a_failing_command_is_one_sentence_with_the_end_of_its_log() -> None:
    event = outcome(Task("for i in 1 2 3 4 5 6; do echo line $i; done; exit 7").submit())
    assert event["status"] == "error"
    assert "7" in event["message"]
    assert event["message"].endswith("line 2 | line 3 | line 4 | line 5 | line 6")
    assert "\n" not in event["message"]


def test_killing_the_worker_stops_the_job(dlc: PaiDlc) -> None:
    task = Task("sleep 60")
    operator = task.operator()
    task.defer(operator)
    operator.on_kill()
    (job,) = task.jobs(dlc)
    assert reached(dlc, job.job_id, "Stopped")


def test_a_task_killed_while_it_submits_leaves_no_running_job(dlc: PaiDlc) -> None:
    task = Task("sleep 60")
    operator = task.operator()
    operator.on_kill()
    with pytest.raises(AirflowFailException, match="was killed"):
        task.execute(operator)
    (job,) = task.jobs(dlc)
    assert reached(dlc, job.job_id, "Stopped")


def test_marking_the_deferred_task_stops_the_job_for_good(dlc: PaiDlc) -> None:
    trigger = Task("sleep 60").submit()
    asyncio.run(trigger.on_kill())
    assert reached(dlc, trigger.job_id, "Stopped")
    assert outcome(trigger)["status"] == "failed"


def test_a_triggerer_that_stops_leaves_the_job_running() -> None:
    trigger = Task("sleep 3").submit()

    async def start_and_cancel() -> None:
        waiting = asyncio.ensure_future(anext(aiter(trigger.run())))
        await asyncio.sleep(0.5)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await trigger.cleanup()

    asyncio.run(start_and_cancel())
    _, arguments = trigger.serialize()
    assert outcome(PaiDlcJobTrigger(**json.loads(json.dumps(arguments))))["status"] == "success"


def test_a_job_that_outlives_execution_timeout_is_stopped(dlc: PaiDlc) -> None:
    trigger = Task("sleep 60", execution_timeout=timedelta(seconds=0.5)).submit()
    event = outcome(trigger)
    assert event["status"] == "error"
    assert "execution_timeout" in event["message"]
    assert reached(dlc, trigger.job_id, "Stopped")


def test_no_secret_goes_into_the_triggers_arguments_and_those_of_the_job_are_masked(cloud: LocalCloud) -> None:
    task = Task("true", environment={"DB_PASSWORD": "hunter2-hunter2", "WORD": "whales"})
    arguments = json.dumps(task.submit().serialize()) + json.dumps(task.xcoms)
    assert cloud.access_key_secret not in arguments
    assert "hunter2" not in arguments
    assert redact("whales know hunter2-hunter2") == "whales know ***"


def test_without_a_triggerer_the_worker_waits_itself(dlc: PaiDlc) -> None:
    task = Task("true", deferrable=False)
    job_id = task.execute(task.operator())
    assert dlc.get(job_id=job_id).succeeded


@pytest.mark.parametrize(
    "wrong",
    [
        {"machines": {"ecs_spec": "ecs.local", "pods": "many"}},
        {"machines": {"machine": "ecs.local"}},
        {"data_sources": [{"folder": "oss://b/"}]},
        {"max_minutes": "soon"},
    ],
)
def test_what_describes_no_job_is_refused_without_a_retry(wrong: dict[str, Any]) -> None:
    task = Task("true", **wrong)
    with pytest.raises(AirflowFailException, match="'job' describes no job"):
        task.execute(task.operator())


def test_everything_a_user_would_template_is_a_template_field() -> None:
    fields = set(PaiDlcJobOperator.template_fields)
    assert fields >= {"name", "image", "command", "environment", "machines", "data_sources"}


def test_the_connection_can_be_tested(monkeypatch: pytest.MonkeyPatch, cloud: LocalCloud) -> None:
    assert PaiHook().test_connection() == (True, f"workspace '{WORKSPACE}' at {cloud.endpoint} answers")
    wrong = {"conn_type": "alibaba_pai", "host": cloud.endpoint, "login": "x", "password": "y-secret"}
    monkeypatch.setenv("AIRFLOW_CONN_ALIBABA_PAI", json.dumps(wrong))
    worked, why = PaiHook().test_connection()
    assert (worked, "has no Workspace id" in why) == (False, True)
    monkeypatch.setenv("AIRFLOW_CONN_ALIBABA_PAI", json.dumps(wrong | {"extra": {"workspace_id": "1"}}))
    worked, why = PaiHook().test_connection()
    assert (worked, "y-secret" in why) == (False, False)
    assert "RequestId" in why


@given(st.lists(st.integers().map(str), unique=True), st.integers(1, 5), st.data())
def test_every_line_of_a_growing_log_is_shown_once(log: list[str], window: int, data: st.DataObject) -> None:
    shown: list[str] = []
    before: list[str] = []
    length = 0
    while length < len(log):
        length += data.draw(st.integers(1, min(window, len(log) - length)))
        now = log[max(0, length - window) : length]
        shown.extend(unseen(before, now))
        before = now
    assert shown == log
