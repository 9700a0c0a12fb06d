from __future__ import annotations

import secrets
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException

from alibaba_ai.links.pai import PaiModelLink
from alibaba_ai.operators.pai_registry import PaiRegisterModelOperator
from searchloom.cloud.pai_registry import PaiRegistry
from searchloom.settings import Settings
from tests.plugins.alibaba_ai.conftest import WORKSPACE
from tests.plugins.running import Instance


def register(model: str, **more: Any) -> PaiRegisterModelOperator:
    given = {"version": "1.0.0", "uri": "oss://b/models/1/", "task": "text-embedding", "metrics": {"nDCG@10": 0.5}}
    return PaiRegisterModelOperator(task_id="job", model=model, **given | more)


def test_a_version_is_registered_once_and_brought_to_what_is_asked_for(connected: Settings) -> None:
    registry = PaiRegistry(connected.acs, workspace_id=WORKSPACE)
    name = f"m{secrets.token_hex(6)}"
    task = Instance()
    result = task.execute(register(name, labels={"by": "test"}, source_id="dlc-1"))
    assert result["version"] == "1.0.0"
    assert result["model_id"] in task.xcoms[PaiModelLink.xcom_key]
    version = registry.get_version(model_id=result["model_id"], version="1.0.0")
    assert (version.approval, version.labels, version.source_id) == ("Pending", {"by": "test"}, "dlc-1")
    again = task.execute(register(name, stage="Approved", metrics={"nDCG@10": 0.6}, labels={"by": "hand"}))
    assert again == result
    version = registry.get_version(model_id=result["model_id"], version="1.0.0")
    assert (version.approval, version.metrics, version.labels) == ("Approved", {"nDCG@10": 0.6}, {"by": "hand"})
    assert len(list(registry.list_versions(model_id=result["model_id"]))) == 1


def test_a_version_never_changes_its_files_and_a_stage_is_one_of_three() -> None:
    name = f"m{secrets.token_hex(6)}"
    Instance().execute(register(name))
    with pytest.raises(AirflowFailException, match="take another version name"):
        Instance().execute(register(name, uri="oss://b/models/2/"))
    with pytest.raises(AirflowFailException, match="stage 'Great'"):
        Instance().execute(register(name, stage="Great"))
