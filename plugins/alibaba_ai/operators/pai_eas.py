"""Deploys a model service on PAI-EAS."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal

from airflow.sdk.log import mask_secret

from alibaba_ai.failures import terminal_errors_end_the_task
from alibaba_ai.hooks.pai import PaiHook
from alibaba_ai.links.pai import PaiEasServiceLink
from alibaba_ai.operators.waiting import WaitingOperator
from alibaba_ai.triggers.pai_eas import PaiEasServiceTrigger
from searchloom.cloud.pai_eas import PaiEas, Service
from searchloom.errors import UsageError


class PaiEasDeployOperator(WaitingOperator):
    """Create or update a service and wait until it runs; the URL that it answers at is the task's result.

    A service that has the asked-for JSON already is not touched, which makes retries and clearing safe. A killed task
    leaves the service as it is: what served before goes on serving.

    :param spec: the service's JSON as EAS documents it, as a mapping or as text; ``name`` is the service's name
    :param labels: labels of a service that is created
    :param update: whether the JSON is merged into that of an existing service, or replaces it
    :param alibaba_pai_conn_id: id of the connection
    """

    template_fields: Sequence[str] = ("spec", "labels", "alibaba_pai_conn_id")
    template_ext: Sequence[str] = (".json",)
    template_fields_renderers = {"spec": "json", "labels": "json"}  # noqa: RUF012  as in Airflow's own operators
    operator_extra_links = (PaiEasServiceLink(),)

    def __init__(
        self,
        *,
        spec: Mapping[str, Any] | str,
        labels: Mapping[str, str] | None = None,
        update: Literal["merge", "replace"] = "replace",
        alibaba_pai_conn_id: str = PaiHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.spec = spec
        self.labels = labels
        self.update = update
        self.alibaba_pai_conn_id = alibaba_pai_conn_id

    def execute(self, context: Any) -> Any:
        """Bring the service to its JSON, store the link, and wait."""
        since = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S")
        with terminal_errors_end_the_task():
            spec = self._checked()
            _hide_secrets(spec)
            eas = PaiHook(self.alibaba_pai_conn_id).eas()
            service = self._deploy(eas, spec)
        PaiEasServiceLink().store(context, link_to(eas, service.name))
        trigger = PaiEasServiceTrigger(
            conn_id=self.alibaba_pai_conn_id,
            service=service.name,
            version=service.latest_version,
            poll_interval_s=self.poll_interval_s,
            since=since,
            deadline=self.deadline(),
        )
        return self.wait(context, trigger)

    def _checked(self) -> dict[str, Any]:
        # Templated, and so checked here and not in the constructor.
        try:
            spec = json.loads(self.spec) if isinstance(self.spec, str) else dict(self.spec)
        except ValueError as error:
            raise UsageError(f"the spec of task {self.task_id!r} is no JSON: {error}") from error
        if not isinstance(spec, dict) or not isinstance(spec.get("name"), str) or not spec["name"]:
            raise UsageError(f"the spec of task {self.task_id!r} has no name; add the service's name")
        return spec

    def _deploy(self, eas: PaiEas, spec: Mapping[str, Any]) -> Service:
        name = spec["name"]
        service = eas.find(name=name)
        if service is None:
            eas.create(spec=spec, labels=self.labels)
            self.log.info("Service %s is new at %s.", name, eas.endpoint)
        elif service.failed or not _holds(json.loads(service.config or "{}"), spec):
            eas.update(name=name, spec=spec, how=self.update)
            self.log.info("Service %s gets a version after %d at %s.", name, service.latest_version, eas.endpoint)
        else:
            self.log.info("Service %s has this JSON already, as version %d.", name, service.version)
            return service
        return eas.describe(name=name)


def link_to(eas: PaiEas, service: str) -> str:
    """Return the address of a service's page."""
    return PaiEasServiceLink.address(region=eas.region, workspace_id=eas.workspace_id or "", service=service)


def _holds(given: Any, wanted: Any) -> bool:
    """Tell whether ``wanted`` is in ``given``, to which EAS adds defaults."""
    if isinstance(given, dict) and isinstance(wanted, Mapping):
        return all(key in given and _holds(given[key], value) for key, value in wanted.items())
    if isinstance(given, list) and isinstance(wanted, list):
        return len(given) == len(wanted) and all(map(_holds, given, wanted))
    return bool(given == wanted)


def _hide_secrets(spec: Mapping[str, Any]) -> None:
    mask_secret(dict(spec))
    for container in spec.get("containers") or []:
        for variable in container.get("env") or []:
            mask_secret(variable.get("value"), variable.get("name"))
