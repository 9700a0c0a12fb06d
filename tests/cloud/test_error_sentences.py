"""Every trouble that a cloud can make, for every kind of client: one sentence, and as many requests as can help."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import httpx
import pytest
from pydantic import SecretStr

from localcloud.credentials import Keyring
from searchloom.cloud.bailian import Bailian
from searchloom.cloud.oss import Oss
from searchloom.cloud.pai_dlc import PaiDlc
from searchloom.errors import ServiceError, ServiceNotFound, ServiceRefused, ServiceUnavailable
from searchloom.settings import Acs
from searchloom.settings import Bailian as BailianSettings
from searchloom.settings import Oss as OssSettings
from tests.cloud.recording import Answer, Recorder
from tests.localcloud.wiretap import Proof, wiretap
from tests.servers import LocalCloud

OSS_BUSY = (
    b"<Error><Code>QpsLimitExceeded</Code><Message>Qps limit exceeded.</Message><RequestId>R-1</RequestId></Error>"
)
ACS_BUSY = {"RequestId": "R-1", "Code": "Throttling.User", "Message": "Request was denied due to flow control."}
DASHSCOPE_BUSY = {"request_id": "R-1", "code": "Throttling.RateQuota", "message": "Requests rate limit exceeded"}
ACS_QUOTA = {"RequestId": "R-1", "Code": "QuotaExceeded.Gpu", "Message": "The quota of GPUs is used up."}
DASHSCOPE_ARREARS = {"request_id": "R-1", "code": "Arrearage", "message": "Access denied, overdue payment."}


@pytest.fixture
def tap(cloud: LocalCloud) -> Iterator[Proof]:
    with wiretap(cloud) as proof:
        yield proof


def oss_of(url: str, key: str, secret: str, token: str = "", bucket: str = "there-is-none") -> Oss:
    settings = OssSettings(
        endpoint=url,
        bucket=bucket,
        access_key_id=key,
        access_key_secret=SecretStr(secret),
        security_token=SecretStr(token),
    )
    return Oss(settings)


def dlc_of(url: str, key: str, secret: str, token: str = "") -> PaiDlc:
    acs = Acs(
        endpoint=url,
        access_key_id=key,
        access_key_secret=SecretStr(secret),
        security_token=SecretStr(token),
        read_timeout_s=10,
    )
    return PaiDlc(acs, workspace_id="12345")


def bailian_of(url: str, key: str) -> Bailian:
    return Bailian(BailianSettings(url=url, api_key=SecretStr(key), read_timeout_s=10))


def trouble(call: Callable[[], object], kind: type[ServiceError], *words: str, secret: str = "") -> ServiceError:
    """What the call raises: one sentence with code, RequestId and what to do."""
    with pytest.raises(kind) as caught:
        call()
    text = str(caught.value)
    assert len(text.splitlines()) == 1, text
    assert caught.value.code, text
    assert caught.value.code in text
    assert caught.value.request_id, text
    assert f"RequestId {caught.value.request_id}" in text
    assert all(word in text for word in words), text
    assert not secret or secret not in text
    return caught.value


def test_a_wrong_key_is_asked_with_once(tap: Proof) -> None:
    url, key = tap.cloud.endpoint, tap.cloud.access_key_id
    wrong = "a-wrong-secret"
    for call, remedy in (
        (lambda: oss_of(url, key, wrong).get("a"), "check the access key"),
        (lambda: dlc_of(url, key, wrong).find(name="x"), "check the"),
        (lambda: list(bailian_of(url, wrong).embed(["x"])), "check the key"),
    ):
        tap.seen.clear()
        trouble(call, ServiceRefused, remedy, secret=wrong)
        assert len(tap.seen) == 1


def test_an_expired_token_is_asked_with_once(tap: Proof) -> None:
    old = Keyring(tap.cloud.access_key_id, tap.cloud.access_key_secret).issue(-10)
    keys = (old.access_key_id, old.access_key_secret, old.security_token)
    for call in (
        lambda: oss_of(tap.cloud.endpoint, *keys).get("a"),
        lambda: dlc_of(tap.cloud.endpoint, *keys).find(name="x"),
    ):
        tap.seen.clear()
        trouble(call, ServiceRefused, "take a new STS token", secret=old.security_token)
        assert len(tap.seen) == 1


def test_a_missing_bucket_is_looked_for_once(tap: Proof) -> None:
    oss = oss_of(tap.cloud.endpoint, tap.cloud.access_key_id, tap.cloud.access_key_secret)
    error = trouble(lambda: oss.put("a", b"x"), ServiceNotFound, "there-is-none", "create")
    assert error.code == "NoSuchBucket"
    assert len(tap.seen) == 1


@pytest.mark.parametrize("storm", [2, 99])
def test_a_storm_of_429_is_ridden_out_or_said(server: Recorder, storm: int) -> None:
    page = {"RequestId": "R", "Jobs": [], "TotalCount": 0}
    vectors = {"request_id": "R", "output": {"embeddings": [{"text_index": 0, "embedding": [1.0]}]}, "usage": {}}
    xml = {"Content-Type": "application/xml", "x-oss-request-id": "R-1"}
    for call, busy, good in (
        (lambda: oss_of(server.url, "k", "s").get("a"), Answer(429, OSS_BUSY, xml), Answer(body=b"data")),
        (lambda: dlc_of(server.url, "k", "s").find(name="x"), Answer(429, ACS_BUSY), Answer(body=page)),
        (lambda: list(bailian_of(server.url, "k").embed(["x"])), Answer(429, DASHSCOPE_BUSY), Answer(body=vectors)),
    ):
        server.will(*[busy] * storm, good)
        if storm == 2:
            call()
            assert len(server.requests) == 3
        else:
            trouble(call, ServiceUnavailable, "call less often")
            assert len(server.requests) == 5


def test_a_used_up_quota_is_not_asked_for_again(server: Recorder) -> None:
    for call, refusal in (
        (lambda: dlc_of(server.url, "k", "s").find(name="x"), Answer(400, ACS_QUOTA)),
        (lambda: list(bailian_of(server.url, "k").embed(["x"])), Answer(400, DASHSCOPE_ARREARS)),
    ):
        server.will(refusal)
        trouble(call, ServiceRefused, "quota")
        assert len(server.requests) == 1


@pytest.mark.parametrize("cuts", [1, 99])
def test_a_connection_that_is_cut_in_the_middle_of_a_body(cloud: LocalCloud, cuts: int) -> None:
    oss = oss_of(cloud.endpoint, cloud.access_key_id, cloud.access_key_secret, bucket="cut-in-the-middle")
    oss.ensure_bucket()
    oss.put("a", bytes(300_000))
    fault = {"service": "oss", "action": "GetObject", "kind": "cut", "count": cuts}
    httpx.post(f"{cloud.endpoint}/_faults", json=fault).raise_for_status()
    try:
        if cuts == 1:
            assert oss.get("a") == bytes(300_000)
        else:
            with pytest.raises(ServiceUnavailable) as caught:
                oss.get("a")
            assert len(str(caught.value).splitlines()) == 1
            left = httpx.get(f"{cloud.endpoint}/_faults").json()["faults"]
            assert left[0]["count"] == cuts - 5
    finally:
        httpx.delete(f"{cloud.endpoint}/_faults")
