"""The vendors' clients of the ACS3 services, pointed at the local cloud."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

from alibabacloud_aiworkspace20210204.client import Client as WorkspaceClient
from alibabacloud_eas20210701.client import Client as EasClient
from alibabacloud_pai_dlc20201203 import models as dlc
from alibabacloud_pai_dlc20201203.client import Client as DlcClient
from alibabacloud_sts20150401.client import Client as StsClient
from alibabacloud_tea_openapi.client import Client as OpenApiClient
from alibabacloud_tea_openapi.models import Config, OpenApiRequest, Params
from darabonba.runtime import RuntimeOptions

from tests.servers import LocalCloud

Result = TypeVar("Result")
FINAL = {"Succeeded", "Failed", "Stopped"}


def config(
    cloud: LocalCloud, *, key_id: str | None = None, secret: str | None = None, token: str | None = None, **more: Any
) -> Config:
    """Where the local cloud is, and whose key signs."""
    return Config(
        access_key_id=key_id or cloud.access_key_id,
        access_key_secret=secret or cloud.access_key_secret,
        security_token=token,
        endpoint=cloud.endpoint.removeprefix("http://"),
        protocol="http",
        region_id=cloud.region,
        **more,
    )


def call(
    settings: Config,
    version: str,
    action: str,
    method: str,
    path: str,
    *,
    query: dict[str, Any] | None = None,
    body: Any = None,
) -> dict[str, Any]:
    """One call of a service whose own SDK is not among the tests' packages, by the code that all of them share."""
    params = Params(
        action=action,
        version=version,
        protocol="HTTP",
        pathname=path,
        method=method,
        auth_type="AK",
        style="ROA",
        req_body_type="json",
        body_type="json",
    )
    named = {name: str(value) for name, value in query.items()} if query else None
    request = OpenApiRequest(query=named, body=body)
    # A model that is asked for the first time is loaded first.
    return OpenApiClient(settings).call_api(params, request, RuntimeOptions(read_timeout=120_000))["body"]


def dlc_client(cloud: LocalCloud) -> DlcClient:
    return DlcClient(config(cloud))


def sts_client(cloud: LocalCloud) -> StsClient:
    return StsClient(config(cloud))


def wait_for(look: Callable[[], Result], good: Callable[[Result], bool], seconds: float = 60) -> Result:
    """Look until it is good; the last look is the failure's message."""
    deadline = time.monotonic() + seconds
    while not good(seen := look()):
        assert time.monotonic() < deadline, seen
        time.sleep(0.1)
    return seen


def create_job(client: DlcClient, command: str, **more: Any) -> str:
    request = dlc.CreateJobRequest(
        display_name=more.pop("display_name", "job"),
        job_type=more.pop("job_type", "PyTorchJob"),
        job_specs=more.pop("job_specs", None) or [dlc.JobSpec(type="Worker", image="img", pod_count=1)],
        user_command=command,
        workspace_id="1",
        **more,
    )
    return client.create_job(request).body.job_id


def get_job(client: DlcClient, job_id: str) -> dlc.GetJobResponseBody:
    return client.get_job(job_id, dlc.GetJobRequest(need_detail=True)).body


def finished(client: DlcClient, job_id: str) -> dlc.GetJobResponseBody:
    return wait_for(lambda: get_job(client, job_id), lambda job: job.status in FINAL)


def logs(client: DlcClient, job_id: str, **more: Any) -> list[str]:
    pod = get_job(client, job_id).pods[0].pod_id
    return client.get_pod_logs(job_id, pod, dlc.GetPodLogsRequest(**more)).body.logs


def registry_client(cloud: LocalCloud) -> WorkspaceClient:
    return WorkspaceClient(config(cloud))


def eas_client(cloud: LocalCloud) -> EasClient:
    return EasClient(config(cloud))
