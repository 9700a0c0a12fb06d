"""The operator against the local cloud, which starts services as processes behind a gateway."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
from airflow.sdk.exceptions import AirflowException, AirflowFailException

from alibaba_ai.links.pai import PaiEasServiceLink
from alibaba_ai.operators.pai_eas import PaiEasDeployOperator
from searchloom.cloud.pai_eas import PaiEas
from searchloom.settings import Acs
from tests.plugins.alibaba_ai.conftest import WORKSPACE
from tests.plugins.running import Instance, outcome

SCRIPT = "echo serving $COLOUR; mkdir -p w; cd w; exec python -m http.server $PORT --bind 127.0.0.1"


@pytest.fixture
def eas(acs: Acs) -> PaiEas:
    return PaiEas(acs, workspace_id=WORKSPACE)


@pytest.fixture
def name(eas: PaiEas) -> Iterator[str]:
    chosen = f"s{secrets.token_hex(5)}"
    yield chosen
    if eas.find(name=chosen):
        eas.delete(name=chosen)


def spec(name: str, colour: str = "blue", script: str = SCRIPT) -> dict[str, Any]:
    environment = [{"name": "COLOUR", "value": colour}]
    container = {"image": "img", "script": script, "port": 8000, "env": environment}
    return {"name": name, "metadata": {"instance": 1}, "containers": [container]}


def deploy(content: Any, **more: Any) -> PaiEasDeployOperator:
    return PaiEasDeployOperator(task_id="job", spec=content, poll_interval_s=0.1, **more)


def test_a_service_is_created_then_updated_and_left_alone_when_nothing_changed(
    eas: PaiEas, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    task = Instance()
    first = task.defer(deploy(spec(name)))
    assert name in task.xcoms[PaiEasServiceLink.xcom_key]
    event = outcome(first)
    assert event["status"] == "success"
    service = eas.describe(name=name)
    assert (service.status, service.version) == ("Running", 1)
    assert deploy(spec(name)).execute_complete({}, event) == service.url
    answer = httpx.get(service.url + "/", headers={"Authorization": service.token})
    assert answer.status_code == 200
    assert service.token not in caplog.text + json.dumps(event)

    task.again()  # a retry, or a worker that died before it deferred
    assert outcome(task.defer(deploy(spec(name))))["status"] == "success"
    assert eas.describe(name=name).latest_version == 1

    assert outcome(task.defer(deploy(json.dumps(spec(name, "green")))))["status"] == "success"
    assert eas.describe(name=name).version == 2


def test_a_service_that_does_not_start_says_why_with_the_end_of_its_log(name: str) -> None:
    task = Instance()
    operator = deploy(spec(name, script="echo no model here; exit 4"), execution_timeout=timedelta(seconds=20))
    event = outcome(task.defer(operator))
    assert event["status"] == "error"
    assert name in event["message"]
    assert "\n" not in event["message"]
    with pytest.raises(AirflowException, match="no model here"):
        operator.execute_complete(task.context, event)


def test_a_service_that_takes_too_long_is_given_up(name: str) -> None:
    operator = deploy(spec(name, script="sleep 60"), execution_timeout=timedelta(seconds=0.5))
    event = outcome(Instance().defer(operator))
    assert (event["status"], "execution_timeout" in event["message"]) == ("error", True)


@pytest.mark.parametrize("wrong", ["{", "[]", {}, {"name": ""}])
def test_what_describes_no_service_is_refused_without_a_retry(wrong: Any) -> None:
    with pytest.raises(AirflowFailException, match="the spec of task 'job'"):
        Instance().execute(deploy(wrong))
