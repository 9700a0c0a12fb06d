"""Our clients against the local cloud, which checks signatures and does the work."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator

import httpx
import pytest
from pydantic import SecretStr

from localcloud.credentials import Keyring
from searchloom.cloud.airec_online import AirecOnline
from searchloom.cloud.oss import Oss
from searchloom.cloud.pai_dlc import Job, JobRequest, Mount, PaiDlc
from searchloom.cloud.pai_registry import PaiRegistry
from searchloom.cloud.sts import Sts
from searchloom.errors import (
    ServiceConflict,
    ServiceError,
    ServiceNotFound,
    ServiceRefused,
    ServiceUnavailable,
)
from searchloom.settings import Acs, Airec
from searchloom.settings import Oss as OssSettings
from tests.servers import LocalCloud

WAIT_S = 60


@pytest.fixture
def dlc(real_acs: Acs) -> PaiDlc:
    return PaiDlc(real_acs, workspace_id="12345")


@pytest.fixture
def faults(cloud: LocalCloud) -> Iterator[str]:
    """Where misbehaviour is ordered; none is left afterwards."""
    url = f"{cloud.endpoint}/_faults"
    yield url
    httpx.delete(url)


def oss_of(cloud: LocalCloud, **changes: object) -> Oss:
    settings = OssSettings(
        endpoint=cloud.endpoint,
        region=cloud.region,
        bucket="clients-of-dlc",
        access_key_id=cloud.access_key_id,
        access_key_secret=SecretStr(cloud.access_key_secret),
    )
    return Oss(settings.model_copy(update=changes))


def request(command: str, **more: object) -> JobRequest:
    name = f"job-{secrets.token_hex(6)}"
    return JobRequest(**{"name": name, "command": command, "image": "img", "ecs_spec": "ecs.local"} | more)


def finished(dlc: PaiDlc, job_id: str) -> Job:
    deadline = time.monotonic() + WAIT_S
    while not (job := dlc.get(job_id=job_id)).finished:
        assert time.monotonic() < deadline, job
        time.sleep(0.1)
    return job


def test_a_job_reads_and_writes_oss(dlc: PaiDlc, cloud: LocalCloud) -> None:
    oss = oss_of(cloud)
    oss.ensure_bucket()
    oss.put("data/a.txt", b"eins")
    mounts = [
        Mount(uri="oss://clients-of-dlc/data/", path="/mnt/data"),
        Mount(uri="oss://clients-of-dlc/out/", path="/mnt/out", access="RW"),
    ]
    wanted = request("cat /mnt/data/a.txt > /mnt/out/b.txt; echo $WORD", mounts=mounts, environment={"WORD": "done"})
    job_id = dlc.submit(wanted)
    job = finished(dlc, job_id)
    assert (job.succeeded, job.name) == (True, wanted.name)
    assert dlc.logs(job_id=job_id, pod_id=job.pods[0].pod_id) == ["done"]
    assert oss.get("out/b.txt") == b"eins"
    assert dlc.events(job_id=job_id)
    assert dlc.submit(wanted) == job_id


def test_a_job_that_fails_says_why_and_one_that_is_stopped_stops(dlc: PaiDlc) -> None:
    failed = finished(dlc, dlc.submit(request("exit 7")))
    assert (failed.succeeded, failed.status) == (False, "Failed")
    assert "7" in failed.reason
    job_id = dlc.submit(request("sleep 60"))
    dlc.stop(job_id=job_id)
    assert finished(dlc, job_id).status == "Stopped"
    dlc.delete(job_id=job_id)
    with pytest.raises(ServiceNotFound):
        dlc.get(job_id=job_id)


@pytest.mark.parametrize("kind", ["lost_answer", "cut", "429", "503"])
def test_whatever_happens_to_the_call_there_is_one_job(dlc: PaiDlc, faults: str, kind: str) -> None:
    httpx.post(faults, json={"service": "pai_dlc", "action": "CreateJob", "kind": kind}).raise_for_status()
    wanted = request("true")
    try:
        job_id = dlc.submit(wanted)
    except ServiceUnavailable:
        assert kind == "503"
        job_id = dlc.submit(wanted)
    assert [job.job_id for job in dlc.list(name=wanted.name)] == [job_id]


@pytest.mark.parametrize("kind", ["429", "503", "cut", "lost_answer"])
def test_reads_get_through_a_storm(dlc: PaiDlc, faults: str, kind: str) -> None:
    job_id = dlc.submit(request("true"))
    httpx.post(faults, json={"service": "pai_dlc", "action": "GetJob", "kind": kind, "count": 3}).raise_for_status()
    assert dlc.get(job_id=job_id).job_id == job_id


def test_temporary_keys_open_oss_and_pai(real_acs: Acs, cloud: LocalCloud) -> None:
    oss_of(cloud).ensure_bucket()
    keys = Sts(real_acs).assume_role(role_arn="acs:ram::1:role/searchloom", session="test", duration_s=900)
    own = {
        "access_key_id": keys.access_key_id,
        "access_key_secret": keys.access_key_secret,
        "security_token": keys.security_token,
    }
    oss_of(cloud, **own).put("by-sts", b"1")
    assert list(PaiDlc(real_acs.model_copy(update=own), workspace_id="none").list()) == []


@pytest.mark.parametrize("seconds", [-10, 900], ids=["expired", "forged"])
def test_a_token_that_is_no_good_says_to_take_a_new_one(real_acs: Acs, cloud: LocalCloud, seconds: int) -> None:
    keys = Keyring(cloud.access_key_id, cloud.access_key_secret if seconds < 0 else "somebody-else").issue(seconds)
    own = {
        "access_key_id": keys.access_key_id,
        "access_key_secret": SecretStr(keys.access_key_secret),
        "security_token": SecretStr(keys.security_token),
    }
    with pytest.raises(ServiceRefused, match="take a new STS token"):
        PaiDlc(real_acs.model_copy(update=own), workspace_id="none").find(name="x")
    with pytest.raises(ServiceRefused, match="take a new STS token"):
        oss_of(cloud, **own).get("by-sts")


def test_a_wrong_key_is_one_sentence_with_code_request_id_and_remedy(real_acs: Acs) -> None:
    wrong = real_acs.model_copy(update={"access_key_secret": SecretStr("wrong-secret")})
    with pytest.raises(ServiceRefused) as caught:
        PaiDlc(wrong, workspace_id="12345").find(name="x")
    error = caught.value
    assert error.code in str(error)
    assert error.request_id in str(error)
    assert error.request_id
    assert "check the key" in str(error) or "check the request" in str(error)
    assert "wrong-secret" not in str(error)


async def test_the_signature_of_the_asynchronous_client_holds(real_acs: Acs) -> None:
    online = AirecOnline(real_acs, Airec(instance_id="airec cn~1"))
    with pytest.raises(ServiceError) as caught:  # nobody has this instance
        await online.recommend(user_id="u 1+2", count=1, filters={"ü": "a&b=c"})
    assert "Signature" not in caught.value.code
    assert isinstance(caught.value, ServiceRefused | ServiceNotFound)
    await online.aclose()


def test_a_model_goes_through_its_stages(real_acs: Acs) -> None:
    registry = PaiRegistry(real_acs, workspace_id="12345")
    name = f"emb-{secrets.token_hex(4)}"
    model_id = registry.ensure_model(name=name, task="text-embedding", description="d")
    assert registry.ensure_model(name=name, task="text-embedding") == model_id
    of = {"model_id": model_id, "version": "0.1.0"}
    registry.create_version(**of, uri="oss://clients-of-dlc/models/1/", metrics={"recall": 0.9}, labels={"dim": "384"})
    with pytest.raises(ServiceConflict):
        registry.create_version(**of, uri="oss://clients-of-dlc/models/1/")
    registry.update_version(**of, approval="Approved", metrics={"recall": 0.95})
    registry.label_version(**of, labels={"stage": "production"})
    version = registry.get_version(**of)
    assert (version.approval, version.metrics) == ("Approved", {"recall": 0.95})
    assert version.labels == {"dim": "384", "stage": "production"}
    assert [found.name for found in registry.list_versions(model_id=model_id, approval="Approved")] == ["0.1.0"]
    assert registry.find_version(model_id=model_id, version="9.9.9") is None
    registry.delete_version(**of)
    registry.delete_model(model_id=model_id)
    assert registry.find_model(name=name) is None
