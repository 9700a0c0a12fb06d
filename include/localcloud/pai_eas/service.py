"""The calls of PAI-EAS 2021-07-01."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from localcloud.acs.errors import AcsError, invalid_parameter, number_in, object_in, text_in
from localcloud.acs.request import AcsRequest
from localcloud.acs.service import Operation, Product
from localcloud.faults import Faults
from localcloud.line_logs import read_lines
from localcloud.mounts import Mounts
from localcloud.pai_eas.config import ServiceConfig
from localcloud.pai_eas.gateway import Gateway
from localcloud.pai_eas.manager import Manager
from localcloud.pai_eas.records import Service, Services
from localcloud.pai_eas.scaler import scaler_of
from localcloud.pai_eas.views import group_view, instance_view, service_view, version_view

_SERVICES = "/api/v2/services"
_SERVICE = f"{_SERVICES}/{{cluster}}/{{service}}"
_LOG_PAGE = 500


class EasService:
    """Model services as processes below one state folder, and the gateway before them."""

    def __init__(self, root: Path, mounts: Mounts, faults: Faults, region: str) -> None:
        self.manager = Manager(Services(root), mounts)
        self.gateway = Gateway(self.manager, faults)
        self._services = self.manager.services
        self._region = region

    def product(self) -> Product:
        """What the dispatcher needs to know."""
        operations = {
            "CreateService": Operation("POST", _SERVICES, self.create_service),
            "ListServices": Operation("GET", _SERVICES, self.list_services),
            "DescribeService": Operation("GET", _SERVICE, self.describe_service),
            "UpdateService": Operation("PUT", _SERVICE, self.update_service),
            "DeleteService": Operation("DELETE", _SERVICE, self.delete_service),
            "UpdateServiceVersion": Operation("PUT", f"{_SERVICE}/version", self.update_service_version),
            "ListServiceVersions": Operation("GET", f"{_SERVICE}/versions", self.list_service_versions),
            "ReleaseService": Operation("PUT", f"{_SERVICE}/release", self.release_service),
            "StartService": Operation("PUT", f"{_SERVICE}/start", self.start_service),
            "StopService": Operation("PUT", f"{_SERVICE}/stop", self.stop_service),
            "RestartService": Operation("PUT", f"{_SERVICE}/restart", self.restart_service),
            "DescribeServiceLog": Operation("GET", f"{_SERVICE}/logs", self.describe_service_log),
            "DescribeServiceEndpoints": Operation("GET", f"{_SERVICE}/endpoints", self.describe_service_endpoints),
            "ListServiceInstances": Operation("GET", f"{_SERVICE}/instances", self.list_service_instances),
            "DeleteServiceInstances": Operation("DELETE", f"{_SERVICE}/instances", self.delete_service_instances),
            "CreateServiceAutoScaler": Operation("POST", f"{_SERVICE}/autoscaler", self.set_auto_scaler),
            "UpdateServiceAutoScaler": Operation("PUT", f"{_SERVICE}/autoscaler", self.set_auto_scaler),
            "DescribeServiceAutoScaler": Operation("GET", f"{_SERVICE}/autoscaler", self.describe_auto_scaler),
            "DeleteServiceAutoScaler": Operation("DELETE", f"{_SERVICE}/autoscaler", self.delete_auto_scaler),
            "UpdateServiceLabel": Operation("PUT", f"{_SERVICE}/label", self.update_service_label),
            "DeleteServiceLabel": Operation("DELETE", f"{_SERVICE}/label", self.delete_service_label),
            "ListGroups": Operation("GET", "/api/v2/groups", self.list_groups),
            "DescribeGroup": Operation("GET", "/api/v2/groups/{cluster}/{group}", self.describe_group),
        }
        return Product("pai_eas", "2021-07-01", operations)

    # Services

    def create_service(self, request: AcsRequest) -> dict[str, Any]:
        """Take a service in; it starts by itself."""
        config = ServiceConfig(request.json()).checked()
        service = self.manager.create(config, request.query.get("WorkspaceId"), request.mapping("Labels"))
        view = self._view(service, request)
        names = ("Region", "ServiceName", "ServiceId", "InternetEndpoint", "IntranetEndpoint")
        return {**{name: view[name] for name in names}, "Status": "Creating"}

    def list_services(self, request: AcsRequest) -> dict[str, Any]:
        """A page of the services that the filters leave."""
        views = [(service, self._view(service, request)) for service in self._services.all()]
        found = [view for service, view in views if _is_wanted(service, view, request)]
        if request.descending(default="desc"):
            found.reverse()
        return {
            "Services": request.page(found, default_size=100),
            "TotalCount": len(found),
            "PageNumber": request.integer("PageNumber", 1, low=1, high=1_000_000),
            "PageSize": request.integer("PageSize", 100, low=1, high=100),
        }

    def describe_service(self, request: AcsRequest) -> dict[str, Any]:
        """One service with its status, token and endpoints."""
        return self._view(self._service(request), request)

    def update_service(self, request: AcsRequest) -> dict[str, Any]:
        """Serve another JSON: laid over the one that serves (merge) or in its place (replace)."""
        service, change = self._service(request), request.json()
        how = request.query.get("UpdateType") or "merge"
        if how not in {"merge", "replace"}:
            raise invalid_parameter("UpdateType", how, "merge or replace")
        config = service.config.merged(change) if how == "merge" else ServiceConfig({"name": service.name, **change})
        self._services.update(service.name, config.checked())
        return self._done(service, f"Service [{service.name}] is updating")

    def delete_service(self, request: AcsRequest) -> dict[str, Any]:
        """End a service and forget it with its versions."""
        service = self._service(request)
        self.manager.delete(service.name)
        return {"Message": f"Service [{service.name}] is deleted"}

    def update_service_version(self, request: AcsRequest) -> dict[str, Any]:
        """Serve a version that was built before."""
        service, version = self._service(request), request.json().get("Version")
        known = [each.number for each in self._services.versions(service.name)]
        if version not in known:
            raise invalid_parameter("Version", version, f"one of {', '.join(map(str, sorted(known)))}")
        self._services.change(service.name, version=version)
        return self._done(service, f"Service [{service.name}] is updating to version {version}")

    def list_service_versions(self, request: AcsRequest) -> dict[str, Any]:
        """A page of the versions, the newest first."""
        found = self._services.versions(self._service(request).name)
        page = request.page(found, default_size=100)
        return {"Versions": [version_view(version) for version in page], "TotalCount": len(found)}

    def release_service(self, request: AcsRequest) -> dict[str, Any]:
        """Say how much of its group's traffic the service takes."""
        service, asked = self._service(request), request.json()
        state = text_in(asked, "TrafficState") or service.traffic_state
        weight = number_in(asked, "Weight", service.weight, low=-1, high=1000)
        if state not in {"standalone", "grouping"}:
            raise invalid_parameter("TrafficState", state, "standalone or grouping")
        self._services.change(service.name, traffic_state=state, weight=weight)
        return self._done(service, f"Service [{service.name}] takes {state} traffic of weight {weight}")

    def start_service(self, request: AcsRequest) -> dict[str, Any]:
        """Start a stopped service; one that runs stays as it is."""
        service = self._service(request)
        self._services.change(service.name, started=True)
        return self._done(service, f"Service [{service.name}] is starting")

    def stop_service(self, request: AcsRequest) -> dict[str, Any]:
        """End the processes; the service keeps its name and versions."""
        service = self._service(request)
        self._services.change(service.name, started=False)
        return self._done(service, f"Service [{service.name}] is stopping")

    def restart_service(self, request: AcsRequest) -> dict[str, Any]:
        """Put fresh processes in the place of those that serve."""
        service = self._service(request)
        self._services.change(service.name, generation=service.generation + 1)
        return self._done(service, f"Service [{service.name}] is restarting")

    def describe_service_endpoints(self, request: AcsRequest) -> dict[str, Any]:
        """Where the service is called, and with which token."""
        view = self._view(self._service(request), request)
        endpoint = {
            "EndpointType": "DefaultGateway",
            "InternetEndpoints": [view["InternetEndpoint"]],
            "IntranetEndpoints": [view["IntranetEndpoint"]],
        }
        return {"AccessToken": view["AccessToken"], "Endpoints": [endpoint]}

    def update_service_label(self, request: AcsRequest) -> dict[str, Any]:
        """Put labels on a service."""
        service, labels = self._service(request), object_in(request.json(), "Labels")
        self._services.change(service.name, labels=service.labels | {key: str(labels[key]) for key in labels})
        return self._done(service, "The labels are changed")

    def delete_service_label(self, request: AcsRequest) -> dict[str, Any]:
        """Take labels off a service."""
        service, gone = self._service(request), request.required("Keys").split(",")
        self._services.change(
            service.name, labels={key: value for key, value in service.labels.items() if key not in gone}
        )
        return self._done(service, "The labels are deleted")

    # Instances

    def list_service_instances(self, request: AcsRequest) -> dict[str, Any]:
        """A page of the processes that there are."""
        deployment = self.manager.deployment(self._service(request).name)
        found = [instance_view(replica) for replica in deployment.replicas()] if deployment else []
        return {"Instances": request.page(found, default_size=100), "TotalCount": len(found)}

    def delete_service_instances(self, request: AcsRequest) -> dict[str, Any]:
        """End processes; others take their place."""
        service, names = self._service(request), set(request.required("InstanceList").split(","))
        deployment = self.manager.deployment(service.name)
        if deployment is not None:
            deployment.restart(names)
        return self._done(service, f"{len(names)} instances are deleted")

    def describe_service_log(self, request: AcsRequest) -> dict[str, Any]:
        """A page of what the processes wrote, in order of time."""
        service, wanted = self._service(request), request.query.get("InstanceName")
        deployment = self.manager.deployment(service.name)
        files = sorted(deployment.log_folder.glob("*.log")) if deployment else []
        start, end = request.time_ms("StartTime"), request.time_ms("EndTime")
        entries = [
            entry
            for file in files
            if wanted in {None, file.stem}
            for entry in read_lines(file, start_ms=start, end_ms=end)
            if request.query.get("Keyword", "") in entry[1]
        ]
        lines = [text for _, text in sorted(entries, key=lambda entry: entry[0])]
        number = request.integer("PageNum", 1, low=1, high=1_000_000)
        size = request.integer("PageSize", _LOG_PAGE, low=1, high=10_000)
        return {
            "Logs": lines[(number - 1) * size : number * size],
            "PageNum": number,
            "TotalCount": len(lines),
            "TotalPageNum": -(-len(lines) // size),
        }

    def set_auto_scaler(self, request: AcsRequest) -> dict[str, Any]:
        """Let the traffic decide how many processes serve."""
        service = self._service(request)
        self._services.change(service.name, scaler=scaler_of(request))
        return self._done(service, f"Service [{service.name}] is scaled by its traffic")

    def describe_auto_scaler(self, request: AcsRequest) -> dict[str, Any]:
        """The limits and thresholds of a service's autoscaler."""
        service = self._service(request)
        if service.scaler is None:
            raise AcsError(404, "AutoScalerNotFound", f"Service {service.name} has no autoscaler.")
        return {
            "ServiceName": service.name,
            "MinReplica": service.scaler["min"],
            "MaxReplica": service.scaler["max"],
            "Behavior": service.scaler["behavior"],
            "ScaleStrategies": service.scaler["scaleStrategies"],
        }

    def delete_auto_scaler(self, request: AcsRequest) -> dict[str, Any]:
        """Leave the number of processes as it is now."""
        service = self._service(request)
        self._services.change(service.name, scaler=None)
        return self._done(service, f"Service [{service.name}] is not scaled any more")

    # Groups

    def list_groups(self, request: AcsRequest) -> dict[str, Any]:
        """A page of the groups."""
        found = [group_view(group, self._region, request.headers["host"]) for group in self._services.groups()]
        return {"Groups": request.page(found, default_size=100), "TotalCount": len(found)}

    def describe_group(self, request: AcsRequest) -> dict[str, Any]:
        """One group with its common entry."""
        name = request.path_parameters["group"]
        for group in self._services.groups():
            if group.name == name:
                return group_view(group, self._region, request.headers["host"])
        raise AcsError(404, "GroupNotFound", f"Group {name} does not exist.")

    def _service(self, request: AcsRequest) -> Service:
        if request.path_parameters["cluster"] != self._region:
            raise invalid_parameter("ClusterId", request.path_parameters["cluster"], f"the region {self._region}")
        return self._services.get(request.path_parameters["service"])

    def _view(self, service: Service, request: AcsRequest) -> dict[str, Any]:
        deployment = self.manager.deployment(service.name)
        return service_view(service, deployment, self._region, request.headers["host"])

    def _done(self, service: Service, message: str) -> dict[str, Any]:
        deployment = self.manager.deployment(service.name)
        if deployment is not None:
            deployment.wake()
        return {"Message": message}


def _is_wanted(service: Service, view: dict[str, Any], request: AcsRequest) -> bool:
    query = request.query
    equal = {
        "GroupName": service.group,
        "ServiceName": service.name,
        "ServiceStatus": view["Status"],
        "ServiceUid": service.id,
        "WorkspaceId": service.workspace,
    }
    if any(query.get(name) and query[name] != value for name, value in equal.items()):
        return False
    labels = request.mapping("Label").items()
    return query.get("Filter", "") in service.name and all(service.labels.get(key) == value for key, value in labels)
