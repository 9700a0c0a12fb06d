"""The calls of the model registry, AIWorkSpace 2021-02-04."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from localcloud.acs.errors import AcsError, invalid_parameter, missing_parameter, object_in, objects_in, text_in
from localcloud.acs.request import AcsRequest
from localcloud.acs.service import Operation
from localcloud.database import Database
from localcloud.records import Record, Records, new_id
from localcloud.sts.service import ACCOUNT_ID
from localcloud.timestamps import iso_time

_MODEL_FIELDS = (
    "Accessibility", "Domain", "ExtraInfo", "ModelDescription", "ModelDoc", "ModelName", "ModelType", "OrderNumber",
    "Origin", "ParameterSize", "Task",
)  # fmt: skip
_FILTERED = ("WorkspaceId", "Domain", "ModelType", "Task", "Origin")
_VERSION_FIELDS = (
    "ApprovalStatus", "CompressionSpec", "DistillationSpec", "EvaluationSpec", "ExtraInfo", "InferenceSpec", "Metrics",
    "Options", "SourceId", "SourceType", "TrainingSpec", "VersionDescription",
)  # fmt: skip
_STAGES = ("Pending", "Approved", "Rejected")
_MAX_METRICS = 8192
_MODEL = "/api/v1/models/{model}"
_VERSION = f"{_MODEL}/versions/{{version}}"
_OF_ACCOUNT = ""


class ModelRegistry:
    """Models of all workspaces, each with its versions, stages, metrics and labels."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._models = Records(database, "Model")
        self._versions = Records(database, "ModelVersion")

    def operations(self) -> dict[str, Operation]:
        """What the dispatcher needs to know."""
        models, versions = "/api/v1/models", f"{_MODEL}/versions"
        return {
            "CreateModel": Operation("POST", models, self.create_model),
            "ListModels": Operation("GET", models, self.list_models),
            "GetModel": Operation("GET", _MODEL, self.get_model),
            "UpdateModel": Operation("PUT", _MODEL, self.update_model),
            "DeleteModel": Operation("DELETE", _MODEL, self.delete_model),
            "CreateModelLabels": Operation("POST", f"{_MODEL}/labels", self.create_model_labels),
            "DeleteModelLabels": Operation("DELETE", f"{_MODEL}/labels", self.delete_model_labels),
            "CreateModelVersion": Operation("POST", versions, self.create_version),
            "ListModelVersions": Operation("GET", versions, self.list_versions),
            "GetModelVersion": Operation("GET", _VERSION, self.get_version),
            "UpdateModelVersion": Operation("PUT", _VERSION, self.update_version),
            "DeleteModelVersion": Operation("DELETE", _VERSION, self.delete_version),
            "CreateModelVersionLabels": Operation("POST", f"{_VERSION}/labels", self.create_version_labels),
            "DeleteModelVersionLabels": Operation("DELETE", f"{_VERSION}/labels", self.delete_version_labels),
        }

    # Models

    def create_model(self, request: AcsRequest) -> dict[str, Any]:
        """Register a model; its name is taken once in a workspace."""
        asked = request.json()
        name = text_in(asked, "ModelName")
        for field in _FILTERED:
            text_in(asked, field)
        if not name:
            raise missing_parameter("ModelName")
        labels = _labels_of(asked)
        content = {field: asked[field] for field in _MODEL_FIELDS if field in asked}
        content |= {"WorkspaceId": asked.get("WorkspaceId"), "Labels": labels}
        model_id = new_id("model")
        with self._database.transaction():
            for record in self._models.all(_OF_ACCOUNT):
                if (record.content["ModelName"], record.content["WorkspaceId"]) == (name, content["WorkspaceId"]):
                    raise self._models.duplicate(name)
            self._models.add(_OF_ACCOUNT, model_id, content)
        return {"ModelId": model_id}

    def list_models(self, request: AcsRequest) -> dict[str, Any]:
        """A page of the models that the filters leave."""
        found = [record for record in self._models.all(_OF_ACCOUNT) if _is_wanted_model(record, request)]
        if request.descending(default="asc"):
            found.reverse()
        return {"Models": [self._model_view(record) for record in request.page(found)], "TotalCount": len(found)}

    def get_model(self, request: AcsRequest) -> dict[str, Any]:
        """One model with its latest version."""
        return self._model_view(self._model(request))

    def update_model(self, request: AcsRequest) -> dict[str, Any]:
        """Change what is said about a model."""
        asked = request.json()
        for field in ("ModelName", *_FILTERED):
            text_in(asked, field)
        changes = {field: value for field, value in asked.items() if field in _MODEL_FIELDS}
        self._models.change(_OF_ACCOUNT, request.path_parameters["model"], changes)
        return {}

    def delete_model(self, request: AcsRequest) -> dict[str, Any]:
        """Forget a model that has no versions any more."""
        model = self._model(request)
        with self._database.transaction():
            if self._versions.all(model.id):
                raise AcsError(409, "ModelHasVersions", f"The model {model.id} has versions; delete them first.")
            self._models.delete(_OF_ACCOUNT, model.id)
        return {}

    def create_model_labels(self, request: AcsRequest) -> dict[str, Any]:
        """Put labels on a model."""
        with self._database.transaction():
            model = self._model(request)
            self._models.change(_OF_ACCOUNT, model.id, {"Labels": _with_labels(model, request)})
        return {}

    def delete_model_labels(self, request: AcsRequest) -> dict[str, Any]:
        """Take labels off a model."""
        with self._database.transaction():
            model = self._model(request)
            self._models.change(_OF_ACCOUNT, model.id, {"Labels": _without_labels(model, request)})
        return {}

    # Versions

    def create_version(self, request: AcsRequest) -> dict[str, Any]:
        """Add a version; without a name it is called 0.1.0, 0.2.0, ..."""
        model, asked = self._model(request), request.json()
        if not text_in(asked, "Uri"):
            raise missing_parameter("Uri")
        _check_version(asked)
        wanted = text_in(asked, "VersionName")
        fields = (*_VERSION_FIELDS, "FormatType", "FrameworkType", "Uri")
        content = {field: asked[field] for field in fields if field in asked}
        content["ApprovalStatus"] = asked.get("ApprovalStatus") or "Pending"
        content["Labels"] = _labels_of(asked)
        with self._database.transaction():
            name = wanted or f"0.{len(self._versions.all(model.id)) + 1}.0"
            self._versions.add(model.id, name, content)
        return {"VersionName": name}

    def list_versions(self, request: AcsRequest) -> dict[str, Any]:
        """A page of a model's versions that the filters leave."""
        model = self._model(request)
        found = [record for record in self._versions.all(model.id) if _is_wanted_version(record, request)]
        if request.descending(default="asc"):
            found.reverse()
        return {"Versions": [_version_view(record) for record in request.page(found)], "TotalCount": len(found)}

    def get_version(self, request: AcsRequest) -> dict[str, Any]:
        """One version of a model."""
        return _version_view(self._version(request))

    def update_version(self, request: AcsRequest) -> dict[str, Any]:
        """Move a version to another stage, or change what is said about it."""
        asked = request.json()
        _check_version(asked)
        changes = {field: value for field, value in asked.items() if field in _VERSION_FIELDS}
        self._versions.change(self._model(request).id, request.path_parameters["version"], changes)
        return {}

    def delete_version(self, request: AcsRequest) -> dict[str, Any]:
        """Forget a version; its files stay in OSS."""
        self._versions.delete(self._model(request).id, request.path_parameters["version"])
        return {}

    def create_version_labels(self, request: AcsRequest) -> dict[str, Any]:
        """Put labels on a version."""
        with self._database.transaction():
            version = self._version(request)
            changes = {"Labels": _with_labels(version, request)}
            self._versions.change(request.path_parameters["model"], version.id, changes)
        return {}

    def delete_version_labels(self, request: AcsRequest) -> dict[str, Any]:
        """Take labels off a version."""
        with self._database.transaction():
            version = self._version(request)
            changes = {"Labels": _without_labels(version, request)}
            self._versions.change(request.path_parameters["model"], version.id, changes)
        return {}

    def _model(self, request: AcsRequest) -> Record:
        return self._models.get(_OF_ACCOUNT, request.path_parameters["model"])

    def _version(self, request: AcsRequest) -> Record:
        return self._versions.get(self._model(request).id, request.path_parameters["version"])

    def _model_view(self, record: Record) -> dict[str, Any]:
        versions = self._versions.all(record.id)
        latest = versions[-1] if versions else None
        return {
            **record.content,
            "ModelId": record.id,
            **_times_and_owner(record),
            "LatestVersion": _version_view(latest) if latest else None,
            "GmtLatestVersionModifiedTime": iso_time(latest.modified_ms) if latest else None,
        }


def _version_view(record: Record) -> dict[str, Any]:
    return {**record.content, "VersionName": record.id, **_times_and_owner(record)}


def _times_and_owner(record: Record) -> dict[str, Any]:
    return {
        "GmtCreateTime": iso_time(record.created_ms),
        "GmtModifiedTime": iso_time(record.modified_ms),
        "OwnerId": ACCOUNT_ID,
        "UserId": ACCOUNT_ID,
    }


def _check_version(asked: Mapping[str, Any]) -> None:
    stage = text_in(asked, "ApprovalStatus")
    if stage and stage not in _STAGES:
        raise invalid_parameter("ApprovalStatus", stage, f"one of {', '.join(_STAGES)}")
    if len(json.dumps(object_in(asked, "Metrics"))) > _MAX_METRICS:
        raise AcsError(400, "InvalidParameter", f"The parameter Metrics is longer than {_MAX_METRICS} characters.")


def _labels_of(asked: Mapping[str, Any]) -> list[dict[str, str]]:
    labels = objects_in(asked, "Labels")
    if not all(text_in(each, "Key") for each in labels):
        raise missing_parameter("Labels.Key")
    return [{"Key": each["Key"], "Value": text_in(each, "Value")} for each in labels]


def _with_labels(record: Record, request: AcsRequest) -> list[dict[str, str]]:
    fresh = _labels_of(request.json())
    keys = {each["Key"] for each in fresh}
    return [*(each for each in record.content["Labels"] if each["Key"] not in keys), *fresh]


def _without_labels(record: Record, request: AcsRequest) -> list[dict[str, str]]:
    gone = request.required("LabelKeys").split(",")
    return [each for each in record.content["Labels"] if each["Key"] not in gone]


def _is_wanted_model(record: Record, request: AcsRequest) -> bool:
    content, query = record.content, request.query
    if any(query.get(name) and query[name] != content.get(name) for name in _FILTERED):
        return False
    if query.get("ModelName", "").lower() not in content["ModelName"].lower():
        return False
    texts = [str(content.get(name) or "") for name in ("ModelName", "Domain", "Task")]
    texts += _label_texts(record)
    return _contains(_label_texts(record), query.get("Label")) and _contains(texts, query.get("Query"))


def _is_wanted_version(record: Record, request: AcsRequest) -> bool:
    query = request.query
    content = {**record.content, "VersionName": record.id}
    names = ("ApprovalStatus", "FormatType", "FrameworkType", "SourceId", "SourceType", "VersionName")
    if any(query.get(name) and query[name] != str(content.get(name)) for name in names):
        return False
    return _contains(_label_texts(record), query.get("Label"))


def _label_texts(record: Record) -> list[str]:
    return [text for label in record.content["Labels"] for text in (label["Key"], label["Value"])]


def _contains(texts: Iterable[str], wanted: str | None) -> bool:
    return not wanted or any(wanted.lower() in text.lower() for text in texts)
