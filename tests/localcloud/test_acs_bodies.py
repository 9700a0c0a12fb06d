"""Whatever JSON comes, the answer is the work or a refusal, never a broken server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from localcloud.acs.errors import AcsError
from localcloud.acs.request import AcsRequest
from localcloud.aiworkspace.service import AiWorkspaceService
from localcloud.mounts import Mounts
from localcloud.oss.store import Store
from localcloud.pai_dlc.service import DlcService
from localcloud.pai_eas.config import ServiceConfig
from localcloud.pai_eas.scaler import scaler_of

SCALARS = st.none() | st.booleans() | st.integers(-2, 10**20) | st.text(max_size=5) | st.just(0.5)
JSON = st.recursive(SCALARS, lambda each: st.lists(each, max_size=2) | st.dictionaries(st.text(max_size=3), each))
GOOD: dict[str, dict[str, Any]] = {
    "job": {
        "DisplayName": "j", "JobType": "PyTorchJob", "UserCommand": "true", "Envs": {"A": "b"}, "Priority": 1,
        "JobSpecs": [{"Type": "Worker", "PodCount": 1, "Image": "i"}], "JobMaxRunningTimeMinutes": 5,
        "DataSources": [{"Uri": "oss://bucket/x/", "MountPath": "/mnt/x", "MountAccess": "RO"}],
        "Settings": {"Tags": {"a": "b"}},
    },
    "service": {
        "name": "s", "metadata": {"instance": 1, "group": "g", "rpc": {"max_queue_size": 1, "keepalive": 5}},
        "containers": [{"script": "s", "port": 1, "env": [{"name": "A", "value": "b"}]}],
        "storage": [{"mount_path": "/m", "oss": {"path": "oss://bucket/x"}}],
    },
    "scaler": {"min": 1, "max": 2, "scaleStrategies": [{"metricName": "qps", "threshold": 1}], "behavior": {}},
    "model": {"ModelName": "m", "WorkspaceId": "1", "Labels": [{"Key": "a", "Value": "b"}], "Domain": "nlp"},
    "version": {"Uri": "oss://x/y/", "ApprovalStatus": "Pending", "Metrics": {"a": 1}, "Labels": [{"Key": "a"}]},
}  # fmt: skip


def places(content: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every position in a JSON value."""
    if path:
        yield path
    if isinstance(content, dict | list):
        for key in content if isinstance(content, dict) else range(len(content)):
            yield from places(content[key], (*path, key))


def spoiled(content: Any, path: tuple[Any, ...], value: Any) -> Any:
    copy = json.loads(json.dumps(content))
    inner = copy
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return copy


@st.composite
def bodies(draw: st.DrawFn) -> tuple[str, dict[str, Any]]:
    kind = draw(st.sampled_from(sorted(GOOD)))
    path = draw(st.sampled_from(list(places(GOOD[kind]))))
    return kind, spoiled(GOOD[kind], path, draw(JSON))


class Services:
    def __init__(self, root: Path) -> None:
        self.dlc = DlcService(root / "dlc", Mounts(Store(root / "oss")))
        self.registry = AiWorkspaceService(root / "registry").product().operations
        self.model = self.call("CreateModel", GOOD["model"])["ModelId"]

    def call(self, action: str, body: Any, **path: str) -> dict[str, Any]:
        request = AcsRequest("POST", "", {}, {}, json.dumps(body).encode(), path)
        return dict(self.registry[action].handler(request))

    def take(self, kind: str, body: Any) -> None:
        request = AcsRequest("POST", "", {}, {}, json.dumps(body).encode())
        if kind == "job":
            job = self.dlc.create_job(request)["JobId"]
            self.dlc.get_job(AcsRequest("GET", "", {}, {}, b"", {"job": job}))
            wanted = {"Tags": '{"a": "b"}', "DisplayName": "j", "SortBy": "Priority"}
            self.dlc.list_jobs(AcsRequest("GET", "", wanted, {}, b""))
        elif kind == "service":
            config = ServiceConfig(request.json()).checked()
            mounts = config.mounts(Path("/folder"))
            assert config.command(8080, mounts)
            assert all(isinstance(value, str) for value in config.environment(8080, mounts).values())
            assert (config.instances >= 0, config.queue_size > 0, config.timeout_s > 0) == (True, True, True)
        elif kind == "scaler":
            scaler_of(request)
        elif kind == "model":
            self.call("GetModel", {}, model=self.call("CreateModel", body)["ModelId"])
        else:
            self.call("CreateModelVersion", body, model=self.model)


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Services:
    return Services(tmp_path_factory.mktemp("bodies"))


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(body=bodies())
def test_a_spoiled_body_is_taken_or_refused(services: Services, body: tuple[str, dict[str, Any]]) -> None:
    with suppress(AcsError):
        services.take(*body)
