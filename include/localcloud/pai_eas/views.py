"""Services as the interface of PAI-EAS shows them."""

from __future__ import annotations

import json
from typing import Any

from localcloud.pai_eas.deployment import Deployment
from localcloud.pai_eas.gateway import PREFIX
from localcloud.pai_eas.records import Group, Service, Version
from localcloud.pai_eas.replica import Replica
from localcloud.sts.service import ACCOUNT_ID
from localcloud.timestamps import iso_time


def service_view(service: Service, deployment: Deployment | None, region: str, host: str) -> dict[str, Any]:
    """One service, as DescribeService and ListServices answer it."""
    status, message = deployment.status(service) if deployment else ("Creating", "Service is now creating")
    running = sum(each.healthy for each in deployment.replicas()) if deployment else 0
    wanted = service.instances if service.started else 0
    metadata = service.config.content.get("metadata") or {}
    return {
        "ServiceName": service.name,
        "ServiceId": service.id,
        "ServiceUid": service.id,
        "Region": region,
        "Status": status,
        "Reason": status.upper(),
        "Message": message,
        "TotalInstance": wanted,
        "RunningInstance": min(running, wanted),
        "PendingInstance": max(wanted - running, 0),
        "Cpu": metadata.get("cpu"),
        "Memory": metadata.get("memory"),
        "CurrentVersion": service.version,
        "LatestVersion": service.latest,
        "ServiceGroup": service.group,
        "Weight": service.weight,
        "TrafficState": service.traffic_state,
        "Role": "Standalone",
        "AccessToken": service.token,
        "InternetEndpoint": f"http://{host}{PREFIX}{service.name}",
        "IntranetEndpoint": f"http://{host}{PREFIX}{service.name}",
        "ServiceConfig": json.dumps(service.config.content, ensure_ascii=False),
        "Labels": [{"LabelKey": key, "LabelValue": value} for key, value in service.labels.items()],
        "WorkspaceId": service.workspace,
        "CallerUid": ACCOUNT_ID,
        "ParentUid": ACCOUNT_ID,
        "CreateTime": iso_time(service.created_ms),
        "UpdateTime": iso_time(service.updated_ms),
    }


def instance_view(replica: Replica) -> dict[str, Any]:
    """One process of a service."""
    return {
        "InstanceName": replica.name,
        "InnerIP": "127.0.0.1",
        "HostIP": "127.0.0.1",
        "InstancePort": replica.port,
        "Status": "Running" if replica.healthy else "Pending",
        "Reason": "" if replica.healthy else "The instance does not answer yet.",
        "ReadyProcesses": int(replica.healthy),
        "TotalProcesses": 1,
        "StartAt": iso_time(replica.started_ms),
        "StartTime": iso_time(replica.started_ms),
    }


def version_view(version: Version) -> dict[str, Any]:
    """One version of a service."""
    return {
        "BuildTime": iso_time(version.built_ms),
        "ImageAvailable": "true",
        "ImageId": version.number,
        "Message": f"Version {version.number}",
        "ServiceConfig": json.dumps(version.config.content, ensure_ascii=False),
        "ServiceRunnable": "true",
    }


def group_view(group: Group, region: str, host: str) -> dict[str, Any]:
    """A group with its common entry."""
    return {
        "Name": group.name,
        "ClusterId": region,
        "AccessToken": group.token,
        "InternetEndpoint": f"http://{host}{PREFIX}{group.name}",
        "IntranetEndpoint": f"http://{host}{PREFIX}{group.name}",
        "CreateTime": iso_time(group.created_ms),
    }
