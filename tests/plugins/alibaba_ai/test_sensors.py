"""The sensors: one look in the worker, then a trigger, against the local cloud."""

from __future__ import annotations

import asyncio
import secrets
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSensorTimeout

from alibaba_ai.sensors.oss import OssObjectSensor, OssPrefixSensor
from alibaba_ai.sensors.pai import PaiDlcJobSensor, PaiEasServiceSensor
from searchloom.cloud.oss import Oss
from searchloom.cloud.pai_dlc import JobRequest, PaiDlc
from tests.plugins.running import Instance, outcome


def job(dlc: PaiDlc, command: str) -> str:
    return dlc.create(JobRequest(name=secrets.token_hex(6), command=command, image="img", ecs_spec="ecs.local"))


def test_an_object_that_is_there_needs_no_trigger_and_one_that_comes_ends_it(oss: Oss) -> None:
    key = f"sensors/{secrets.token_hex(6)}"
    sensor = OssObjectSensor(task_id="job", key=key, poke_interval=0.1)
    trigger = Instance().defer(sensor)
    oss.put(key, b"")
    assert outcome(trigger)["result"] == key
    assert Instance().execute(sensor) == key


def test_a_prefix_counts_what_is_below_it(oss: Oss) -> None:
    prefix = f"sensors/{secrets.token_hex(6)}/"
    oss.put(f"{prefix}a", b"")
    sensor = OssPrefixSensor(task_id="job", prefix=prefix, at_least="2", poke_interval=0.1)
    trigger = Instance().defer(sensor)
    oss.put(f"{prefix}b", b"")
    assert outcome(trigger) == {
        "status": "success",
        "message": f"2 objects below {prefix!r} are there",
        "result": prefix,
    }
    assert Instance().execute(sensor) == prefix


def test_without_a_triggerer_the_worker_pokes_until_the_timeout() -> None:
    sensor = OssObjectSensor(task_id="job", key="sensors/never", poke_interval=0.1, timeout=0.3, deferrable=False)
    with pytest.raises(AirflowSensorTimeout):
        Instance().execute(sensor)


def test_a_job_of_somebody_else_is_waited_for_and_goes_on_when_the_task_is_killed(dlc: PaiDlc) -> None:
    job_id = job(dlc, "sleep 2; echo done")
    sensor = PaiDlcJobSensor(task_id="job", job_id=job_id, poke_interval=0.1)
    trigger = Instance().defer(sensor)
    asyncio.run(trigger.on_kill())
    assert outcome(trigger) == {"status": "success", "message": f"job {job_id} succeeded", "result": job_id}
    assert Instance().execute(sensor) == job_id


def test_a_job_that_failed_fails_the_sensor_and_one_that_is_not_there_fails_it_for_good(dlc: PaiDlc) -> None:
    job_id = job(dlc, "exit 3")
    event = outcome(Instance().defer(PaiDlcJobSensor(task_id="job", job_id=job_id, poke_interval=0.1)))
    assert event["status"] == "error"
    with pytest.raises(AirflowException, match="is Failed"):
        Instance().execute(PaiDlcJobSensor(task_id="job", job_id=job_id))
    with pytest.raises(AirflowFailException, match="no job"):
        Instance().execute(PaiDlcJobSensor(task_id="job", job_id="dlc-none"))


@pytest.mark.parametrize(
    "sensor",
    [
        lambda: PaiEasServiceSensor(task_id="job", service="not_there"),
        lambda: OssPrefixSensor(task_id="job", prefix="x", at_least="some"),
    ],
)
def test_what_can_not_be_waited_for_is_refused_without_a_retry(sensor: Any) -> None:
    with pytest.raises(AirflowFailException):
        Instance().execute(sensor())
