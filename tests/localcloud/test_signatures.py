"""Who is let in, and with which words the others are turned away."""

from __future__ import annotations

import datetime as dt
from email.utils import formatdate
from typing import Self

import oss2
import pytest
import requests
from oss2.credentials import StaticCredentialsProvider

from localcloud.credentials import Keyring
from tests.localcloud.conftest import bucket_of
from tests.servers import LocalCloud

VERSIONS = ["v1", "v2", "v4"]


def refusal(call: object, *args: object, **kwargs: object) -> oss2.exceptions.ServerError:
    assert callable(call)
    with pytest.raises(oss2.exceptions.ServerError) as caught:
        call(*args, **kwargs)
    return caught.value


@pytest.mark.parametrize("version", VERSIONS)
def test_a_wrong_secret_is_refused_and_the_answer_says_what_was_signed(cloud: LocalCloud, version: str) -> None:
    stranger = LocalCloud(cloud.endpoint, cloud.access_key_id, "wrong", cloud.region, cloud.pid)
    error = refusal(bucket_of(stranger, "any-bucket", version).get_object, "key")
    assert (error.status, error.code) == (403, "SignatureDoesNotMatch")
    assert "any-bucket" in error.details["CanonicalRequest" if version == "v4" else "StringToSign"]
    assert error.details["OSSAccessKeyId"] == cloud.access_key_id
    assert error.request_id


@pytest.mark.parametrize("version", VERSIONS)
def test_an_unknown_access_key_is_refused(cloud: LocalCloud, version: str) -> None:
    stranger = LocalCloud(cloud.endpoint, "nobody", "secret", cloud.region, cloud.pid)
    error = refusal(bucket_of(stranger, "any-bucket", version).get_object, "key")
    assert (error.status, error.code) == (403, "InvalidAccessKeyId")


def test_an_unsigned_request_is_refused_but_reads_a_public_bucket(cloud: LocalCloud, bucket: oss2.Bucket) -> None:
    bucket.put_object("key", b"data")
    url = f"{cloud.endpoint}/{bucket.bucket_name}/key"
    answer = requests.get(url, timeout=10)
    assert (answer.status_code, "AccessDenied" in answer.text) == (403, True)
    bucket.put_bucket_acl("public-read")
    assert requests.get(url, timeout=10).content == b"data"
    assert requests.put(url, data=b"other", timeout=10).status_code == 403
    assert requests.get(f"{cloud.endpoint}/{bucket.bucket_name}/", timeout=10).status_code == 403
    bucket.put_object_acl("key", "private")
    assert requests.get(url, timeout=10).status_code == 403


@pytest.mark.parametrize("minutes", [-16, 16])
@pytest.mark.parametrize("version", VERSIONS)
def test_a_date_more_than_15_minutes_off_is_refused(
    cloud: LocalCloud, monkeypatch: pytest.MonkeyPatch, version: str, minutes: int
) -> None:
    shift = dt.timedelta(minutes=minutes)

    class Shifted(dt.datetime):
        @classmethod
        def utcnow(cls) -> Self:
            moment = dt.datetime.now(dt.UTC) + shift
            return cls(*moment.timetuple()[:6])

    moment = (dt.datetime.now(dt.UTC) + shift).timestamp()
    monkeypatch.setattr("oss2.auth.datetime", Shifted)
    monkeypatch.setattr("oss2.utils.http_date", lambda: formatdate(moment, usegmt=True))
    error = refusal(bucket_of(cloud, "any-bucket", version).get_object, "key")
    assert (error.status, error.code) == (403, "RequestTimeTooSkewed")


@pytest.mark.parametrize("version", VERSIONS)
def test_a_signed_url_that_has_expired_or_was_changed_is_refused(
    cloud: LocalCloud, bucket: oss2.Bucket, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    bucket.put_object("key", b"data")
    signer = bucket_of(cloud, bucket.bucket_name, version)
    good = signer.sign_url("GET", "key", 60)
    assert requests.get(good, timeout=10).content == b"data"
    assert "SignatureDoesNotMatch" in requests.get(good.replace("/key", "/other"), timeout=10).text
    assert "SignatureDoesNotMatch" in requests.put(good, data=b"", timeout=10).text

    class Yesterday(dt.datetime):
        @classmethod
        def utcnow(cls) -> Self:
            return cls(*(dt.datetime.now(dt.UTC) - dt.timedelta(days=1)).timetuple()[:6])

    monkeypatch.setattr("oss2.auth.datetime", Yesterday)
    late = signer.sign_url("GET", "key", 60 if version == "v4" else -10)
    answer = requests.get(late, timeout=10)
    assert (answer.status_code, "Request has expired" in answer.text) == (403, True)


def test_a_bucket_may_come_as_part_of_the_host_name(cloud: LocalCloud, bucket: oss2.Bucket) -> None:
    bucket.put_object("dir/key", b"data")
    url = bucket.sign_url("GET", "dir/key", 60, slash_safe=True).replace(f"/{bucket.bucket_name}/", "/")
    host = f"{bucket.bucket_name}.localhost:{cloud.address[1]}"
    assert requests.get(url, headers={"Host": host}, timeout=10).content == b"data"


def test_a_signature_for_another_region_is_refused(cloud: LocalCloud) -> None:
    elsewhere = LocalCloud(cloud.endpoint, cloud.access_key_id, cloud.access_key_secret, "cn-beijing", cloud.pid)
    error = refusal(bucket_of(elsewhere, "any-bucket").get_object, "key")
    assert (error.status, error.code) == (400, "InvalidArgument")
    assert "region" in error.message


@pytest.mark.parametrize("version", VERSIONS)
def test_temporary_credentials_work_with_their_token_until_they_expire(
    cloud: LocalCloud, bucket: oss2.Bucket, version: str
) -> None:
    def client(seconds: int, token: str | None = None) -> oss2.Bucket:
        given = Keyring(cloud.access_key_id, cloud.access_key_secret).issue(seconds)
        auth = oss2.StsAuth(given.access_key_id, given.access_key_secret, token or given.security_token, version)
        return oss2.Bucket(auth, cloud.endpoint, bucket.bucket_name, region=cloud.region)

    client(60).put_object("by-sts", b"data")
    url = client(60).sign_url("GET", "by-sts", 60)
    assert requests.get(url, timeout=10).content == b"data"
    assert refusal(client(-1).get_object, "by-sts").code == "InvalidSecurityToken"
    assert refusal(client(60, token="9999999999-forged").get_object, "by-sts").code == "InvalidSecurityToken"


def test_a_head_request_that_is_refused_has_no_body_but_a_code(cloud: LocalCloud) -> None:
    provider = StaticCredentialsProvider("nobody", "secret")
    stranger = oss2.Bucket(oss2.ProviderAuthV4(provider), cloud.endpoint, "any-bucket", region=cloud.region)
    error = refusal(stranger.head_object, "key")
    assert (error.status, error.code) == (403, "InvalidAccessKeyId")
