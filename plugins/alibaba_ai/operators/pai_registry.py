"""Registers a model's version in PAI AIWorkSpace."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from airflow.sdk import BaseOperator

from alibaba_ai.failures import terminal_errors_end_the_task
from alibaba_ai.hooks.pai import PaiHook
from alibaba_ai.links.pai import PaiModelLink
from searchloom.cloud.pai_registry import Approval, PaiRegistry
from searchloom.errors import Conflict, UsageError

_STAGES = ("Pending", "Approved", "Rejected")


class PaiRegisterModelOperator(BaseOperator):  # type: ignore[misc]  # Airflow is Any to mypy here
    """Register a version of a model, how good it is and its stage; ``{"model_id", "version"}`` is the task's result.

    What is there is brought to what is asked for, so that retries and clearing are safe; a version never changes its
    files: another ``uri`` under the same name fails the task.

    :param model: name of the model, which is registered where it is missing
    :param version: name of the version
    :param uri: folder of its files, ``oss://bucket.endpoint/prefix/``
    :param task: what the model is for, in PAI's words (``text-embedding``, ``text-ranking``...)
    :param description: words for a model that is registered
    :param metrics: measured quality, as a mapping of names and values
    :param labels: labels of the version
    :param stage: ``Pending``, ``Approved`` (may serve) or ``Rejected``
    :param source_id: the job that made it
    :param alibaba_pai_conn_id: id of the connection
    """

    template_fields: Sequence[str] = (
        "model",
        "version",
        "uri",
        "description",
        "metrics",
        "labels",
        "stage",
        "source_id",
        "alibaba_pai_conn_id",
    )
    template_fields_renderers = {"metrics": "json", "labels": "json"}  # noqa: RUF012  as in Airflow's own operators
    operator_extra_links = (PaiModelLink(),)
    ui_color = "#fff1e0"

    def __init__(
        self,
        *,
        model: str,
        version: str,
        uri: str,
        task: str,
        description: str = "",
        metrics: Mapping[str, Any] | None = None,
        labels: Mapping[str, str] | None = None,
        stage: Approval | str = "Pending",
        source_id: str = "",
        alibaba_pai_conn_id: str = PaiHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.model = model
        self.version = version
        self.uri = uri
        self.task_of_model = task
        self.description = description
        self.metrics = metrics
        self.labels = labels
        self.stage = stage
        self.source_id = source_id
        self.alibaba_pai_conn_id = alibaba_pai_conn_id

    def execute(self, context: Any) -> dict[str, str]:
        """Register what is missing, change what differs."""
        with terminal_errors_end_the_task():
            stage = self._checked_stage()
            registry = PaiHook(self.alibaba_pai_conn_id).registry()
            model_id = registry.ensure_model(name=self.model, task=self.task_of_model, description=self.description)
            PaiModelLink().store(context, PaiModelLink.address(workspace_id=registry.workspace_id, model_id=model_id))
            self._bring(registry, model_id, stage)
        self.log.info("Version %s of model %s (%s) is %s.", self.version, self.model, model_id, stage)
        return {"model_id": model_id, "version": self.version}

    def _checked_stage(self) -> Approval:
        # Templated, and so checked here and not in the constructor.
        stage = next((known for known in _STAGES if known == self.stage), None)
        if stage is None:
            raise UsageError(f"stage {self.stage!r} of task {self.task_id!r} is none of {', '.join(_STAGES)}")
        return stage  # type: ignore[return-value]

    def _bring(self, registry: PaiRegistry, model_id: str, stage: Approval) -> None:
        known = registry.find_version(model_id=model_id, version=self.version)
        if known is None:
            registry.create_version(
                model_id=model_id,
                version=self.version,
                uri=self.uri,
                metrics=self.metrics,
                labels=self.labels,
                approval=stage,
                source_type="PAIDLC" if self.source_id else "Custom",
                source_id=self.source_id or None,
            )
            return
        if known.uri != self.uri:
            raise Conflict(
                f"version {self.version!r} of model {self.model!r} is {known.uri!r}, not {self.uri!r}; "
                "take another version name"
            )
        registry.update_version(model_id=model_id, version=self.version, approval=stage, metrics=self.metrics)
        if self.labels:
            registry.label_version(model_id=model_id, version=self.version, labels=self.labels)
