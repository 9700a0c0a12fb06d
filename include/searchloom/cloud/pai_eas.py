"""PAI-EAS: model services, their versions, how traffic is shared between them, and how many instances serve.

A service is described by EAS's own JSON (``name``, ``metadata``, ``containers``, ``storage``...), which is passed on as
it is. API: https://help.aliyun.com/en/pai/developer-reference/api-eas-2021-07-01-overview
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from alibabacloud_eas20210701 import models
from alibabacloud_eas20210701.client import Client

from searchloom.cloud.acs import Connection
from searchloom.cloud.retry import repeatable, unrepeatable
from searchloom.errors import ServiceNotFound
from searchloom.settings import Acs

_PAGE = 100


@dataclass(frozen=True, slots=True)
class Service:
    """The state of a service; ``weight`` is its share of a group's traffic, ``token`` opens its predict endpoint."""

    name: str
    service_id: str
    status: str
    reason: str
    message: str
    instances: int
    running_instances: int
    version: int
    latest_version: int
    weight: int
    traffic_state: str
    url: str
    intranet_url: str
    token: str = field(repr=False)
    config: str = field(repr=False)

    @property
    def running(self) -> bool:
        """Whether it serves."""
        return self.status == "Running"

    @property
    def failed(self) -> bool:
        """Whether it will not serve without a change."""
        return self.status in {"Failed", "CreateFailed", "UpdateFailed", "HotUpdateFailed"}


@dataclass(frozen=True, slots=True)
class Group:
    """The common entry of services whose JSON names the same ``metadata.group``."""

    name: str
    url: str
    intranet_url: str
    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a service that can be rolled back to."""

    built: str
    image_id: int | None
    message: str
    config: str = field(repr=False)


class PaiEas:
    """The services of one region. Every method raises the ``Service*`` errors."""

    def __init__(self, settings: Acs, *, workspace_id: str | None = None) -> None:
        self._connection = Connection(settings, "pai_eas")
        self.endpoint = self._connection.endpoint
        self.region = settings.region
        self.workspace_id = workspace_id
        self._client = Client(self._connection.config)

    @unrepeatable
    def create(self, *, spec: Mapping[str, Any], labels: Mapping[str, str] | None = None) -> str:
        """Create the service of the JSON and return its name; ``ServiceConflict`` where the name is taken."""
        name = str(spec.get("name"))
        request = models.CreateServiceRequest(
            body=json.dumps(spec), labels=dict(labels) if labels else None, workspace_id=self.workspace_id
        )
        with self._connection.call(f"service {name!r}"):
            return str(self._client.create_service(request).body.service_name or name)

    @repeatable
    def describe(self, *, name: str) -> Service:
        """Return the state of a service."""
        with self._connection.call(f"service {name!r}"):
            return _service(self._client.describe_service(self.region, name).body)

    def find(self, *, name: str) -> Service | None:
        """Return the state of a service, or None where there is none of that name."""
        try:
            return self.describe(name=name)
        except ServiceNotFound:
            return None

    def list(self, *, name_contains: str | None = None) -> Iterator[Service]:
        """The services of the region (of the workspace where one is set)."""
        page = 1
        while True:
            found, total = self._page(page, name_contains)
            yield from found
            if not found or page * _PAGE >= total:
                return
            page += 1

    @repeatable
    def _page(self, page: int, name_contains: str | None) -> tuple[Sequence[Service], int]:
        request = models.ListServicesRequest(
            filter=name_contains, workspace_id=self.workspace_id, page_number=page, page_size=_PAGE
        )
        with self._connection.call(f"the services of {self.region}"):
            body = self._client.list_services(request).body
        return [_service(item) for item in body.services or []], int(body.total_count or 0)

    @unrepeatable
    def update(self, *, name: str, spec: Mapping[str, Any], how: Literal["merge", "replace"] = "merge") -> None:
        """Change a service, which makes a new version of it and rolls over to that."""
        request = models.UpdateServiceRequest(update_type=how, body=json.dumps(spec))
        with self._connection.call(f"service {name!r}"):
            self._client.update_service(self.region, name, request)

    def scale(self, *, name: str, instances: int) -> None:
        """Let this many instances serve."""
        self.update(name=name, spec={"metadata": {"instance": instances}})

    @repeatable
    def release(self, *, name: str, weight: int, traffic: Literal["grouping", "standalone"] = "grouping") -> None:
        """Give a service its share of the group's traffic (blue/green), or take it out of the group.

        The share is ``weight`` by the sum of the weights of the group's services.
        """
        request = models.ReleaseServiceRequest(traffic_state=traffic, weight=weight)
        with self._connection.call(f"service {name!r}"):
            self._client.release_service(self.region, name, request)

    @repeatable
    def group(self, *, name: str) -> Group:
        """Return the entry of a group."""
        with self._connection.call(f"group {name!r}"):
            body = self._client.describe_group(self.region, name).body
        return Group(name, body.internet_endpoint or "", body.intranet_endpoint or "", body.access_token or "")

    @repeatable
    def roll_back(self, *, name: str, version: int) -> None:
        """Serve a former version again."""
        with self._connection.call(f"version {version} of service {name!r}"):
            self._client.update_service_version(self.region, name, models.UpdateServiceVersionRequest(version=version))

    @repeatable
    def versions(self, *, name: str) -> Sequence[Version]:
        """Return the versions of a service, the newest hundred."""
        request = models.ListServiceVersionsRequest(page_number=1, page_size=_PAGE)
        with self._connection.call(f"service {name!r}"):
            found = self._client.list_service_versions(self.region, name, request).body.versions or []
        return [
            Version(item.build_time or "", item.image_id, item.message or "", item.service_config or "")
            for item in found
        ]

    @unrepeatable
    def autoscale(self, *, name: str, lowest: int, highest: int, metric: str = "qps", threshold: float = 10) -> None:
        """Let EAS choose between ``lowest`` and ``highest`` instances so that each stays near the threshold."""
        strategy = models.CreateServiceAutoScalerRequestScaleStrategies(metric_name=metric, threshold=threshold)
        request = models.CreateServiceAutoScalerRequest(min=lowest, max=highest, scale_strategies=[strategy])
        with self._connection.call(f"the autoscaler of service {name!r}"):
            self._client.create_service_auto_scaler(self.region, name, request)

    @repeatable
    def start(self, *, name: str) -> None:
        """Start a stopped service."""
        with self._connection.call(f"service {name!r}"):
            self._client.start_service(self.region, name)

    @repeatable
    def stop(self, *, name: str) -> None:
        """Stop a service; it keeps its name and versions."""
        with self._connection.call(f"service {name!r}"):
            self._client.stop_service(self.region, name)

    @unrepeatable
    def delete(self, *, name: str) -> None:
        """Delete a service with its versions."""
        with self._connection.call(f"service {name!r}"):
            self._client.delete_service(self.region, name)

    @repeatable
    def logs(self, *, name: str, page: int = 1, lines: int = 100, since: str | None = None) -> Sequence[str]:
        """Return a page of what the instances wrote; ``since`` is a UTC time, ``2026-01-31 10:00:00``."""
        request = models.DescribeServiceLogRequest(page_num=page, page_size=lines, start_time=since)
        with self._connection.call(f"service {name!r}"):
            return [str(line) for line in self._client.describe_service_log(self.region, name, request).body.logs or []]


def _service(body: Any) -> Service:
    return Service(
        name=body.service_name or "",
        service_id=body.service_id or "",
        status=body.status or "",
        reason=body.reason or "",
        message=body.message or "",
        instances=body.total_instance or 0,
        running_instances=body.running_instance or 0,
        version=body.current_version or 0,
        latest_version=body.latest_version or 0,
        weight=body.weight or 0,
        traffic_state=body.traffic_state or "",
        url=body.internet_endpoint or "",
        intranet_url=body.intranet_endpoint or "",
        token=body.access_token or "",
        config=body.service_config or "",
    )
