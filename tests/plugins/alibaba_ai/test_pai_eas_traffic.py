from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException

from alibaba_ai.links.pai import PaiEasServiceLink
from alibaba_ai.operators.pai_eas import PaiEasDeployOperator
from alibaba_ai.operators.pai_eas_traffic import (
    PaiEasDeleteOperator,
    PaiEasReleaseOperator,
    PaiEasRollBackOperator,
    PaiEasScaleOperator,
)
from searchloom.cloud.pai_eas import PaiEas
from searchloom.settings import Acs
from tests.plugins.alibaba_ai.conftest import WORKSPACE
from tests.plugins.alibaba_ai.test_pai_eas import spec
from tests.plugins.running import Instance, outcome


@pytest.fixture
def eas(acs: Acs) -> PaiEas:
    return PaiEas(acs, workspace_id=WORKSPACE)


@pytest.fixture
def service(eas: PaiEas) -> Iterator[str]:
    """A service of a group that runs."""
    name = f"s{secrets.token_hex(5)}"
    deployed(name, "blue")
    yield name
    if eas.find(name=name):
        eas.delete(name=name)


def deployed(name: str, colour: str) -> None:
    content = spec(name, colour)
    content["metadata"]["group"] = f"{name}_group"
    operator = PaiEasDeployOperator(task_id="job", spec=content, poll_interval_s=0.1)
    assert outcome(Instance().defer(operator))["status"] == "success"


def test_a_service_takes_its_share_and_saying_it_again_changes_nothing(eas: PaiEas, service: str) -> None:
    task = Instance()
    for _ in range(2):
        assert task.execute(PaiEasReleaseOperator(task_id="job", service=service, weight="30")) == 30
    assert eas.describe(name=service).weight == 30
    assert service in task.xcoms[PaiEasServiceLink.xcom_key]


def test_a_service_goes_back_to_a_former_version_and_back_is_where_it_stays(eas: PaiEas, service: str) -> None:
    deployed(service, "green")
    assert eas.describe(name=service).version == 2
    operator = PaiEasRollBackOperator(task_id="job", service=service, version=1, poll_interval_s=0.1)
    for _ in range(2):
        assert outcome(Instance().defer(operator))["status"] == "success"
    assert eas.describe(name=service).version == 1


def test_a_service_is_scaled_and_then_gone_for_good(eas: PaiEas, service: str) -> None:
    scale = PaiEasScaleOperator(task_id="job", service=service, instances="2", poll_interval_s=0.1)
    assert outcome(Instance().defer(scale))["status"] == "success"
    assert eas.describe(name=service).running_instances == 2
    delete = PaiEasDeleteOperator(task_id="job", service=service, poll_interval_s=0.1)
    assert outcome(Instance().defer(delete))["result"] == service
    assert eas.find(name=service) is None
    assert Instance().execute(delete) == service


@pytest.mark.parametrize(
    "operator",
    [
        lambda: PaiEasReleaseOperator(task_id="job", service="s", weight="some"),
        lambda: PaiEasScaleOperator(task_id="job", service="s", instances=0),
        lambda: PaiEasRollBackOperator(task_id="job", service="not_there", version=1),
    ],
)
def test_what_can_not_be_done_is_refused_without_a_retry(operator: Callable[[], Any]) -> None:
    with pytest.raises(AirflowFailException):
        Instance().execute(operator())
