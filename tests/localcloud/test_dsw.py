"""PAI-DSW instances: their data is really mounted, their statuses come in the documented order."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import oss2
import pytest
from alibabacloud_tea_openapi.exceptions import AlibabaCloudException

from tests.localcloud.acs_clients import call, config, wait_for
from tests.localcloud.conftest import bucket_of
from tests.servers import LocalCloud, local_cloud

INSTANCES = "/api/v2/instances"


def dsw(cloud: LocalCloud, action: str, method: str, path: str = "", **parts: Any) -> dict[str, Any]:
    return call(config(cloud), "2022-01-01", action, method, f"{INSTANCES}{path}", **parts)


def asked(bucket: str, **changes: Any) -> dict[str, Any]:
    mounts = [
        {"Uri": f"oss://{bucket}.oss-cn-hangzhou-internal.aliyuncs.com/data/", "MountPath": "/mnt/data"},
        {"Uri": f"oss://{bucket}/models/", "MountPath": "/mnt/models", "MountAccess": "RO"},
    ]
    name = f"nb_{secrets.token_hex(6)}"
    return {"InstanceName": name, "EcsSpec": "ecs.local", "ImageUrl": "img", "Datasets": mounts} | changes


def create(cloud: LocalCloud, body: dict[str, Any]) -> str:
    return dsw(cloud, "CreateInstance", "POST", body=body)["InstanceId"]


def get(cloud: LocalCloud, instance: str) -> dict[str, Any]:
    return dsw(cloud, "GetInstance", "GET", f"/{instance}")


def comes_to(cloud: LocalCloud, instance: str, status: str) -> dict[str, Any]:
    return wait_for(lambda: get(cloud, instance), lambda seen: seen["Status"] == status, seconds=30)


def stop(cloud: LocalCloud, instance: str) -> dict[str, Any]:
    dsw(cloud, "StopInstance", "PUT", f"/{instance}/stop", query={"SaveImage": False})
    return comes_to(cloud, instance, "Stopped")


def folder_of(instance: dict[str, Any]) -> Path:
    return Path(urlsplit(instance["InstanceUrl"]).path)


def test_data_is_mounted_while_the_instance_runs_and_what_was_written_is_kept(
    cloud: LocalCloud, bucket: oss2.Bucket
) -> None:
    bucket.put_object("data/a.txt", b"eins")
    bucket.put_object("models/m.bin", b"weights")
    instance = create(cloud, asked(bucket.bucket_name))
    running = comes_to(cloud, instance, "Running")
    assert (running["Success"], running["AcceleratorType"]) == (True, "CPU")
    root = folder_of(running)
    assert (root / "mnt/data/a.txt").read_bytes() == b"eins"
    assert (root / "mnt/models/m.bin").read_bytes() == b"weights"
    (root / "mnt/data/b.txt").write_bytes(b"zwei")
    (root / "mnt/models/x").write_bytes(b"goes nowhere")
    stopped = stop(cloud, instance)
    assert "InstanceUrl" not in stopped
    assert stopped["AccumulatedRunningTimeInMs"] > 0
    assert not root.exists()
    assert bucket.get_object("data/b.txt").read() == b"zwei"
    assert not bucket.object_exists("models/x")

    dsw(cloud, "StartInstance", "PUT", f"/{instance}/start")
    again = folder_of(comes_to(cloud, instance, "Running"))
    assert (again / "mnt/data/b.txt").read_bytes() == b"zwei"
    with pytest.raises(AlibabaCloudException, match="Running"):
        dsw(cloud, "DeleteInstance", "DELETE", f"/{instance}")
    stop(cloud, instance)
    dsw(cloud, "DeleteInstance", "DELETE", f"/{instance}")

    def listed() -> list[str]:
        return [each["InstanceId"] for each in dsw(cloud, "ListInstances", "GET")["Instances"]]

    wait_for(listed, lambda seen: instance not in seen)


def test_data_that_is_not_there_fails_the_instance(cloud: LocalCloud) -> None:
    failed = comes_to(cloud, create(cloud, asked("there-is-no-such-bucket")), "Failed")
    assert failed["ReasonCode"] == "DatasetMountFailed"
    assert "there-is-no-such-bucket" in failed["ReasonMessage"]


@pytest.mark.parametrize(
    "changes",
    [
        {"InstanceName": "with-hyphen"},
        {"ImageUrl": ""},
        {"EcsSpec": ""},
        {"Datasets": [{"Uri": "nas://x/", "MountPath": "/mnt"}]},
        {"Datasets": [{"Uri": "oss://bucket/", "MountPath": "/mnt/../etc"}]},
        {"Datasets": [{"Uri": "oss://bkt/", "MountPath": "/a"}, {"Uri": "oss://bkt/", "MountPath": "/a/b"}]},
    ],
)
def test_what_cannot_be_an_instance_is_refused(cloud: LocalCloud, changes: dict[str, Any]) -> None:
    with pytest.raises(AlibabaCloudException) as caught:
        create(cloud, asked("bucket", **changes))
    assert caught.value.status_code == 400


def test_a_name_is_taken_once(cloud: LocalCloud, bucket: oss2.Bucket) -> None:
    body = asked(bucket.bucket_name)
    instance = create(cloud, body)
    with pytest.raises(AlibabaCloudException) as caught:
        create(cloud, body)
    assert caught.value.code == "InstanceAlreadyExists"
    comes_to(cloud, instance, "Running")
    stop(cloud, instance)


def test_an_instance_outlives_a_killed_cloud(tmp_path: Path) -> None:
    secret = secrets.token_hex(8)
    with local_cloud(tmp_path, access_key_secret=secret) as cloud:
        bucket = bucket_of(cloud, "of-dsw")
        bucket.create_bucket()
        instance = create(cloud, asked("of-dsw"))
        root = folder_of(comes_to(cloud, instance, "Running"))
        (root / "mnt/data/late.txt").write_bytes(b"late")
        cloud.kill()
    with local_cloud(tmp_path, access_key_secret=secret) as cloud:
        assert get(cloud, instance)["Status"] == "Running"
        stop(cloud, instance)
        assert bucket_of(cloud, "of-dsw").get_object("data/late.txt").read() == b"late"
