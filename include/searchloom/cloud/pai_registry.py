"""The model registry of PAI AIWorkSpace: models, their versions, approval, labels and measured quality.

API: https://help.aliyun.com/en/pai/developer-reference/api-aiworkspace-2021-02-04-overview
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from alibabacloud_aiworkspace20210204 import models
from alibabacloud_aiworkspace20210204.client import Client

from searchloom.cloud.acs import Connection
from searchloom.cloud.retry import repeatable, unrepeatable
from searchloom.errors import ServiceConflict, ServiceNotFound
from searchloom.settings import Acs

Approval = Literal["Pending", "Approved", "Rejected"]
"""The stage of a version: only approved ones may serve."""

_PAGE = 100


@dataclass(frozen=True, slots=True)
class Model:
    """One model of the registry."""

    model_id: str
    name: str
    description: str
    labels: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """One version: where its files lie (``uri``), which job made it (``source_id``), how good it is (``metrics``)."""

    name: str
    uri: str
    approval: str
    metrics: Mapping[str, Any]
    labels: Mapping[str, str]
    source_type: str
    source_id: str
    created: str


class PaiRegistry:
    """The models of one workspace. Every method raises the ``Service*`` errors."""

    def __init__(self, settings: Acs, *, workspace_id: str) -> None:
        self._connection = Connection(settings, "pai_workspace")
        self.endpoint = self._connection.endpoint
        self.workspace_id = workspace_id
        self._client = Client(self._connection.config)

    def ensure_model(self, *, name: str, task: str, description: str = "", domain: str = "nlp") -> str:
        """Return the id of the model of this name, which is registered where it is missing."""
        if (model := self.find_model(name=name)) is not None:
            return model.model_id
        try:
            return self.create_model(name=name, task=task, description=description, domain=domain)
        except ServiceConflict:
            if (model := self.find_model(name=name)) is None:
                raise
            return model.model_id

    @unrepeatable
    def create_model(
        self, *, name: str, task: str, description: str = "", domain: str = "nlp", kind: str = "Checkpoint"
    ) -> str:
        """Register a model and return its id."""
        request = models.CreateModelRequest(
            workspace_id=self.workspace_id,
            model_name=name,
            model_description=description,
            model_type=kind,
            domain=domain,
            task=task,
            accessibility="PRIVATE",
        )
        with self._connection.call(f"model {name!r}"):
            return str(self._client.create_model(request).body.model_id)

    def find_model(self, *, name: str) -> Model | None:
        """Return the model of exactly this name, or None."""
        return next((model for model in self.list_models(name=name) if model.name == name), None)

    def list_models(self, *, name: str | None = None) -> Iterator[Model]:
        """The models of the workspace; ``name`` matches parts of names too."""
        page = 1
        while True:
            found, total = self._model_page(page, name)
            yield from found
            if not found or page * _PAGE >= total:
                return
            page += 1

    @repeatable
    def _model_page(self, page: int, name: str | None) -> tuple[Sequence[Model], int]:
        request = models.ListModelsRequest(
            workspace_id=self.workspace_id, model_name=name, page_number=page, page_size=_PAGE
        )
        with self._connection.call(f"the models of workspace {self.workspace_id!r}"):
            body = self._client.list_models(request).body
        found = [
            Model(item.model_id, item.model_name or "", item.model_description or "", _pairs(item.labels))
            for item in body.models or []
        ]
        return found, int(body.total_count or 0)

    @unrepeatable
    def create_version(
        self,
        *,
        model_id: str,
        version: str,
        uri: str,
        metrics: Mapping[str, Any] | None = None,
        labels: Mapping[str, str] | None = None,
        approval: Approval = "Pending",
        framework: str = "PyTorch",
        file_format: str = "SavedModel",
        source_type: str = "Custom",
        source_id: str | None = None,
    ) -> str:
        """Add a version to a model and return its name; ``ServiceConflict`` where it exists.

        ``uri`` is the folder of its files, ``oss://bucket.endpoint/prefix/``.
        """
        request = models.CreateModelVersionRequest(
            version_name=version,
            uri=uri,
            format_type=file_format,
            framework_type=framework,
            approval_status=approval,
            metrics=dict(metrics) if metrics is not None else None,
            labels=_labels(labels) if labels else None,
            source_type=source_type,
            source_id=source_id,
        )
        with self._connection.call(f"version {version!r} of model {model_id!r}"):
            return str(self._client.create_model_version(model_id, request).body.version_name)

    @repeatable
    def get_version(self, *, model_id: str, version: str) -> ModelVersion:
        """Return one version of a model."""
        with self._connection.call(f"version {version!r} of model {model_id!r}"):
            return _version(self._client.get_model_version(model_id, version, models.GetModelVersionRequest()).body)

    def find_version(self, *, model_id: str, version: str) -> ModelVersion | None:
        """Return one version of a model, or None."""
        try:
            return self.get_version(model_id=model_id, version=version)
        except ServiceNotFound:
            return None

    def list_versions(self, *, model_id: str, approval: Approval | None = None) -> Iterator[ModelVersion]:
        """The versions of a model."""
        page = 1
        while True:
            found, total = self._version_page(page, model_id, approval)
            yield from found
            if not found or page * _PAGE >= total:
                return
            page += 1

    @repeatable
    def _version_page(self, page: int, model_id: str, approval: Approval | None) -> tuple[Sequence[ModelVersion], int]:
        request = models.ListModelVersionsRequest(approval_status=approval, page_number=page, page_size=_PAGE)
        with self._connection.call(f"model {model_id!r}"):
            body = self._client.list_model_versions(model_id, request).body
        return [_version(item) for item in body.versions or []], int(body.total_count or 0)

    @repeatable
    def update_version(
        self,
        *,
        model_id: str,
        version: str,
        approval: Approval | None = None,
        metrics: Mapping[str, Any] | None = None,
    ) -> None:
        """Move a version to another stage, or note how good it is."""
        request = models.UpdateModelVersionRequest(
            approval_status=approval, metrics=dict(metrics) if metrics is not None else None
        )
        with self._connection.call(f"version {version!r} of model {model_id!r}"):
            self._client.update_model_version(model_id, version, request)

    @repeatable
    def label_version(self, *, model_id: str, version: str, labels: Mapping[str, str]) -> None:
        """Put labels on a version; one of the same key is replaced."""
        request = models.CreateModelVersionLabelsRequest(labels=_labels(labels))
        with self._connection.call(f"version {version!r} of model {model_id!r}"):
            self._client.create_model_version_labels(model_id, version, request)

    @unrepeatable
    def delete_version(self, *, model_id: str, version: str) -> None:
        """Delete one version; the files stay where they are."""
        with self._connection.call(f"version {version!r} of model {model_id!r}"):
            self._client.delete_model_version(model_id, version, models.DeleteModelVersionRequest())

    @unrepeatable
    def delete_model(self, *, model_id: str) -> None:
        """Delete a model that has no versions any more."""
        with self._connection.call(f"model {model_id!r}"):
            self._client.delete_model(model_id, models.DeleteModelRequest())


def _labels(labels: Mapping[str, str]) -> Sequence[models.Label]:
    return [models.Label(key=key, value=value) for key, value in labels.items()]


def _pairs(labels: Sequence[Any] | None) -> Mapping[str, str]:
    return {label.key: label.value for label in labels or []}


def _version(body: Any) -> ModelVersion:
    return ModelVersion(
        name=body.version_name or "",
        uri=body.uri or "",
        approval=body.approval_status or "",
        metrics=body.metrics or {},
        labels=_pairs(body.labels),
        source_type=body.source_type or "",
        source_id=body.source_id or "",
        created=body.gmt_create_time or "",
    )
