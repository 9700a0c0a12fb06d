"""Signatures, dates, nonces and temporary credentials, as the vendors' clients meet them."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta

import httpx
import oss2
import pytest
from alibabacloud_pai_dlc20201203 import models as dlc
from alibabacloud_pai_dlc20201203.client import Client as DlcClient
from alibabacloud_sts20150401 import models as sts
from alibabacloud_tea_openapi.exceptions import AlibabaCloudException, ThrottlingException
from alibabacloud_tea_openapi.utils import Utils

from localcloud.credentials import Keyring
from tests.localcloud.acs_clients import config, create_job, dlc_client, sts_client
from tests.servers import LocalCloud


def refusal(client: DlcClient) -> tuple[str, int]:
    with pytest.raises(AlibabaCloudException) as caught:
        client.list_jobs(dlc.ListJobsRequest(display_name="with space ~ ü/+"))
    assert caught.value.request_id
    return caught.value.code, caught.value.status_code


def test_a_right_signature_is_taken_whatever_the_query_holds(cloud: LocalCloud) -> None:
    page = dlc_client(cloud).list_jobs(dlc.ListJobsRequest(display_name="a b+c&d=é~/*'(", page_size=5)).body
    assert (page.jobs, page.total_count) == ([], 0)


def test_wrong_keys_and_signatures_are_refused(cloud: LocalCloud) -> None:
    assert refusal(DlcClient(config(cloud, key_id="nobody"))) == ("InvalidAccessKeyId.NotFound", 404)
    assert refusal(DlcClient(config(cloud, secret="wrong"))) == ("SignatureDoesNotMatch", 400)
    assert refusal(DlcClient(config(cloud, token="forged"))) == ("InvalidSecurityToken.Malformed", 400)


def test_an_old_date_is_refused(cloud: LocalCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    for minutes in (-20, 20):
        moment = (datetime.now(UTC) + timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%SZ")
        monkeypatch.setattr(Utils, "get_timestamp", lambda moment=moment: moment)
        assert refusal(dlc_client(cloud)) == ("InvalidTimeStamp.Expired", 400)
    monkeypatch.setattr(Utils, "get_timestamp", lambda: "yesterday")
    assert refusal(dlc_client(cloud)) == ("InvalidTimeStamp.Format", 400)


def test_a_nonce_is_good_once(cloud: LocalCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Utils, "get_nonce", lambda: "the-same-nonce")
    client = dlc_client(cloud)
    client.list_jobs(dlc.ListJobsRequest())
    assert refusal(client) == ("SignatureNonceUsed", 400)


def test_a_changed_body_or_an_unsigned_header_is_refused(cloud: LocalCloud) -> None:
    answer = httpx.post(f"{cloud.endpoint}/api/v1/jobs", headers={"x-acs-action": "CreateJob"}, json={})
    assert (answer.status_code, answer.json()["Code"]) == (400, "IncompleteSignature")
    assert {"RequestId", "Code", "Message"} <= set(answer.json())


def test_an_assumed_role_works_everywhere_until_it_expires(cloud: LocalCloud) -> None:
    request = sts.AssumeRoleRequest(role_arn="acs:ram::1:role/r", role_session_name="s", duration_seconds=900)
    answer = sts_client(cloud).assume_role(request).body
    issued = answer.credentials
    assert answer.assumed_role_user.arn == "acs:ram::1:role/r/s"
    remaining = datetime.fromisoformat(issued.expiration) - datetime.now(UTC)
    assert timedelta(minutes=14) < remaining <= timedelta(minutes=15)
    key, secret, token = issued.access_key_id, issued.access_key_secret, issued.security_token
    client = DlcClient(config(cloud, key_id=key, secret=secret, token=token))
    assert client.list_jobs(dlc.ListJobsRequest()).status_code == 200
    bucket = oss2.Bucket(oss2.StsAuth(key, secret, token), cloud.endpoint, "sts-bucket")
    bucket.create_bucket()
    bucket.put_object("key", b"value")
    assert bucket.get_object("key").read() == b"value"

    old = Keyring(cloud.access_key_id, cloud.access_key_secret).issue(-5)
    expired = config(cloud, key_id=old.access_key_id, secret=old.access_key_secret, token=old.security_token)
    assert refusal(DlcClient(expired)) == ("InvalidSecurityToken.Expired", 400)
    stale = oss2.StsAuth(old.access_key_id, old.access_key_secret, old.security_token)
    with pytest.raises(oss2.exceptions.ServerError) as refused:
        oss2.Bucket(stale, cloud.endpoint, "sts-bucket").get_object("key")
    assert (refused.value.status, refused.value.code) == (403, "InvalidSecurityToken")


@pytest.mark.parametrize(
    ("arn", "session", "seconds", "code"),
    [
        ("acs:ram::1:role/r", "s", 60, "InvalidParameter.DurationSeconds"),
        ("role/r", "s", 900, "InvalidParameter.RoleArn"),
        ("acs:ram::1:role/r", "a b", 900, "InvalidParameter.RoleSessionName"),
    ],
)
def test_a_role_that_cannot_be_assumed_is_refused(
    cloud: LocalCloud, arn: str, session: str, seconds: int, code: str
) -> None:
    with pytest.raises(AlibabaCloudException) as caught:
        sts_client(cloud).assume_role(
            sts.AssumeRoleRequest(role_arn=arn, role_session_name=session, duration_seconds=seconds)
        )
    assert caught.value.code == code


def test_faults_look_like_the_service_under_load(cloud: LocalCloud) -> None:
    def inject(kind: str) -> None:
        fault = {"service": "pai_dlc", "action": "ListJobs", "kind": kind}
        assert httpx.post(f"{cloud.endpoint}/_faults", json=fault).status_code == 200

    client = dlc_client(cloud)
    inject("429")
    with pytest.raises(ThrottlingException) as caught:
        client.list_jobs(dlc.ListJobsRequest())
    assert (caught.value.code, caught.value.status_code, caught.value.retry_after) == ("Throttling.User", 429, 500)
    inject("503")
    assert refusal(client) == ("ServiceUnavailable", 503)
    assert client.list_jobs(dlc.ListJobsRequest()).status_code == 200


def test_a_lost_answer_leaves_the_work_done(cloud: LocalCloud) -> None:
    client = dlc_client(cloud)
    fault = {"service": "pai_dlc", "action": "CreateJob", "kind": "lost_answer"}
    httpx.post(f"{cloud.endpoint}/_faults", json=fault)
    name = f"lost-{secrets.token_hex(4)}"
    with pytest.raises(Exception, match=r"aborted|closed|disconnect"):
        create_job(client, "true", display_name=name)
    assert [job.display_name for job in client.list_jobs(dlc.ListJobsRequest(display_name=name)).body.jobs] == [name]
