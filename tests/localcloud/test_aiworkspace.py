"""The model registry, judged by the vendor's client of AIWorkSpace."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any

import pytest
from alibabacloud_aiworkspace20210204 import models
from alibabacloud_aiworkspace20210204.client import Client
from alibabacloud_tea_openapi.exceptions import AlibabaCloudException

from tests.localcloud.acs_clients import registry_client
from tests.servers import LocalCloud


@pytest.fixture
def client(cloud: LocalCloud) -> Client:
    return registry_client(cloud)


def create_model(client: Client, name: str, **more: Any) -> str:
    request = models.CreateModelRequest(
        model_name=name, workspace_id="12345", domain="nlp", task="text-embedding", model_type="Checkpoint", **more
    )
    return client.create_model(request).body.model_id


def create_version(client: Client, model_id: str, name: str | None = None, **more: Any) -> str:
    request = models.CreateModelVersionRequest(version_name=name, uri="oss://bucket.endpoint/models/v1/", **more)
    return client.create_model_version(model_id, request).body.version_name


def refused(call: Callable[[], Any]) -> tuple[str, int]:
    with pytest.raises(AlibabaCloudException) as caught:
        call()
    return caught.value.code, caught.value.status_code


def test_a_version_keeps_its_metrics_labels_source_and_stage(client: Client) -> None:
    model_id = create_model(client, secrets.token_hex(8))
    create_version(
        client,
        model_id,
        "0.1.0",
        metrics={"recall@10": 0.9},
        labels=[models.Label(key="dim", value="768")],
        source_type="Custom",
        source_id="region=cn-hangzhou,workspaceId=12345,kind=DLC,id=dlc1",
        format_type="SavedModel",
        framework_type="PyTorch",
    )
    get = models.GetModelVersionRequest()
    version = client.get_model_version(model_id, "0.1.0", get).body
    assert (version.metrics, version.approval_status) == ({"recall@10": 0.9}, "Pending")
    assert [(each.key, each.value) for each in version.labels] == [("dim", "768")]
    assert version.source_id.endswith("id=dlc1")
    assert version.uri == "oss://bucket.endpoint/models/v1/"
    update = models.UpdateModelVersionRequest(approval_status="Approved", metrics={"recall@10": 0.95})
    client.update_model_version(model_id, "0.1.0", update)
    more = models.CreateModelVersionLabelsRequest(
        labels=[models.Label(key="dim", value="384"), models.Label(key="stage", value="live")]
    )
    client.create_model_version_labels(model_id, "0.1.0", more)
    version = client.get_model_version(model_id, "0.1.0", get).body
    assert (version.metrics, version.approval_status) == ({"recall@10": 0.95}, "Approved")
    assert {each.key: each.value for each in version.labels} == {"dim": "384", "stage": "live"}
    client.delete_model_version_labels(model_id, "0.1.0", models.DeleteModelVersionLabelsRequest(label_keys="dim,x"))
    version = client.get_model_version(model_id, "0.1.0", get).body
    assert [each.key for each in version.labels] == ["stage"]
    model = client.get_model(model_id, models.GetModelRequest()).body
    assert model.latest_version.approval_status == "Approved"
    wrong = models.UpdateModelVersionRequest(approval_status="Perhaps")
    assert refused(lambda: client.update_model_version(model_id, "0.1.0", wrong)) == ("InvalidParameter", 400)


def test_models_are_listed_by_name_label_and_page(client: Client) -> None:
    prefix = secrets.token_hex(8)
    label = [models.Label(key="team", value=prefix)]
    ids = [create_model(client, f"{prefix}-{number}", labels=label if number else None) for number in range(3)]

    def found(**query: Any) -> list[str]:
        return [each.model_id for each in client.list_models(models.ListModelsRequest(**query)).body.models]

    assert found(model_name=prefix, workspace_id="12345") == ids
    assert found(model_name=prefix, order="DESC", page_size=2) == ids[:0:-1]
    assert found(model_name=prefix, page_size=2, page_number=2) == ids[2:]
    assert found(label=prefix) == ids[1:]
    assert found(query=prefix) == ids
    assert found(model_name=prefix, workspace_id="other") == []
    assert client.list_models(models.ListModelsRequest(model_name=prefix, page_size=1)).body.total_count == 3


def test_versions_are_listed_by_stage_and_page_and_named_by_themselves(client: Client) -> None:
    model_id = create_model(client, secrets.token_hex(8))
    names = [create_version(client, model_id) for _ in range(3)]
    assert names == ["0.1.0", "0.2.0", "0.3.0"]
    client.update_model_version(model_id, "0.2.0", models.UpdateModelVersionRequest(approval_status="Approved"))

    def found(**query: Any) -> list[str]:
        page = client.list_model_versions(model_id, models.ListModelVersionsRequest(**query)).body
        return [each.version_name for each in page.versions]

    assert found() == names
    assert found(approval_status="Approved") == ["0.2.0"]
    assert found(page_number=2, page_size=2) == ["0.3.0"]
    assert found(order="DESC", sort_by="GmtCreateTime") == names[::-1]


def test_names_are_taken_once_and_a_model_goes_after_its_versions(client: Client) -> None:
    name = secrets.token_hex(8)
    model_id = create_model(client, name)
    assert refused(lambda: create_model(client, name)) == ("ModelAlreadyExists", 409)
    create_version(client, model_id, "1")
    assert refused(lambda: create_version(client, model_id, "1")) == ("ModelVersionAlreadyExists", 409)
    client.update_model(model_id, models.UpdateModelRequest(model_description="changed"))
    assert client.get_model(model_id, models.GetModelRequest()).body.model_description == "changed"
    labels = models.CreateModelLabelsRequest(labels=[models.Label(key="a", value="b")])
    client.create_model_labels(model_id, labels)
    assert client.get_model(model_id, models.GetModelRequest()).body.labels[0].value == "b"
    client.delete_model_labels(model_id, models.DeleteModelLabelsRequest(label_keys="a"))
    assert client.get_model(model_id, models.GetModelRequest()).body.labels == []
    delete = models.DeleteModelRequest()
    assert refused(lambda: client.delete_model(model_id, delete)) == ("ModelHasVersions", 409)
    client.delete_model_version(model_id, "1", models.DeleteModelVersionRequest())
    client.delete_model(model_id, delete)
    get = models.GetModelRequest()
    assert refused(lambda: client.get_model(model_id, get)) == ("ModelNotFound", 404)
    version = models.GetModelVersionRequest()
    assert refused(lambda: client.get_model_version(model_id, "1", version)) == ("ModelNotFound", 404)


def test_workspaces_have_ids(client: Client) -> None:
    name = f"w{secrets.token_hex(6)}"
    request = models.CreateWorkspaceRequest(workspace_name=name, env_types=["prod"], description="d", display_name="n")
    workspace_id = client.create_workspace(request).body.workspace_id
    assert client.get_workspace(workspace_id, models.GetWorkspaceRequest()).body.workspace_name == name
    found = client.list_workspaces(models.ListWorkspacesRequest(workspace_name=name)).body
    assert [each.workspace_id for each in found.workspaces] == [workspace_id]
    client.update_workspace(workspace_id, models.UpdateWorkspaceRequest(description="e"))
    client.delete_workspace(workspace_id, models.DeleteWorkspaceRequest())
    get = models.GetWorkspaceRequest()
    assert refused(lambda: client.get_workspace(workspace_id, get)) == ("WorkspaceNotFound", 404)
