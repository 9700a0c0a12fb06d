from __future__ import annotations

import pytest

from searchloom.cloud.pai_registry import PaiRegistry
from searchloom.settings import Acs
from tests.cloud.golden import Wire, check_signed
from tests.cloud.recording import Answer, Recorder

VERSION = "/api/v1/models/model-1/versions/0.1.0"


@pytest.fixture
def registry(acs: Acs) -> PaiRegistry:
    return PaiRegistry(acs, workspace_id="12345")


def test_calls_are_those_of_the_vendors_sdk(registry: PaiRegistry, server: Recorder) -> None:
    model = {
        "WorkspaceId": "12345",
        "ModelName": "custom-emb",
        "ModelDescription": "d",
        "ModelType": "Checkpoint",
        "Domain": "nlp",
        "Task": "text-embedding",
        "Accessibility": "PRIVATE",
    }
    version = {
        "VersionName": "0.1.0",
        "Uri": "oss://bucket.oss-cn-hangzhou.aliyuncs.com/models/emb-v1/",
        "FormatType": "SavedModel",
        "FrameworkType": "PyTorch",
        "ApprovalStatus": "Approved",
        "Labels": [{"Key": "dim", "Value": "768"}],
        "Metrics": {"recall@10": 0.9},
        "SourceType": "Custom",
        "SourceId": "region=cn-hangzhou,workspaceId=12345,kind=DLC,id=dlc20201203abcd",
    }
    page = [("PageNumber", "1"), ("PageSize", "100")]
    of = {"model_id": "model-1", "version": "0.1.0"}
    calls = [
        (
            lambda: registry.create_model(name="custom-emb", task="text-embedding", description="d"),
            "CreateModel",
            Wire("POST", "/api/v1/models", body=model, capture="aiworkspace.CreateModel"),
        ),
        (
            lambda: list(registry.list_models(name="custom-emb")),
            "ListModels",
            Wire("GET", "/api/v1/models", [("ModelName", "custom-emb"), *page, ("WorkspaceId", "12345")]),
        ),
        (
            lambda: registry.create_version(
                **of,
                uri=version["Uri"],
                metrics={"recall@10": 0.9},
                labels={"dim": "768"},
                approval="Approved",
                source_id=version["SourceId"],
            ),
            "CreateModelVersion",
            Wire("POST", "/api/v1/models/model-1/versions", body=version, capture="aiworkspace.CreateModelVersion"),
        ),
        (
            lambda: registry.get_version(**of),
            "GetModelVersion",
            Wire("GET", VERSION, capture="aiworkspace.GetModelVersion"),
        ),
        (
            lambda: list(registry.list_versions(model_id="model-1", approval="Approved")),
            "ListModelVersions",
            Wire("GET", "/api/v1/models/model-1/versions", [("ApprovalStatus", "Approved"), *page]),
        ),
        (
            lambda: registry.update_version(**of, approval="Approved"),
            "UpdateModelVersion",
            Wire("PUT", VERSION, body={"ApprovalStatus": "Approved"}, capture="aiworkspace.UpdateModelVersion"),
        ),
        (
            lambda: registry.label_version(**of, labels={"stage": "production"}),
            "CreateModelVersionLabels",
            Wire("POST", f"{VERSION}/labels", body={"Labels": [{"Key": "stage", "Value": "production"}]}),
        ),
        (lambda: registry.delete_version(**of), "DeleteModelVersion", Wire("DELETE", VERSION)),
        (lambda: registry.delete_model(model_id="model-1"), "DeleteModel", Wire("DELETE", "/api/v1/models/model-1")),
    ]
    for call, action, wire in calls:
        server.will(Answer(body={"RequestId": "R", "ModelId": "model-1", "VersionName": "0.1.0"}))
        call()
        check_signed(server.only, wire, action=action, version="2021-02-04")


def test_a_model_is_registered_once(registry: PaiRegistry, server: Recorder) -> None:
    known = Answer(body={"Models": [{"ModelId": "m-0", "ModelName": "emb-2"}, {"ModelId": "m-1", "ModelName": "emb"}]})
    server.will(known)
    assert registry.ensure_model(name="emb", task="text-embedding") == "m-1"
    taken = Answer(409, {"Code": "ModelNameAlreadyExists", "Message": "taken", "RequestId": "R"})
    server.will(Answer(body={"Models": []}), taken, known)
    assert registry.ensure_model(name="emb", task="text-embedding") == "m-1"


def test_a_version_with_its_metrics_and_labels(registry: PaiRegistry, server: Recorder) -> None:
    labels = [{"Key": "dim", "Value": "768"}]
    metrics = {"recall@10": 0.9}
    server.will(Answer(body={"VersionName": "1", "ApprovalStatus": "Pending", "Metrics": metrics, "Labels": labels}))
    version = registry.get_version(model_id="m", version="1")
    assert (version.approval, version.metrics, version.labels) == ("Pending", metrics, {"dim": "768"})
    server.will(Answer(404, {"Code": "ModelVersionNotFound", "Message": "none", "RequestId": "R"}))
    assert registry.find_version(model_id="m", version="2") is None
