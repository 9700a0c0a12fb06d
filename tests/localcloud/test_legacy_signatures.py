"""The older signatures, as the vendor's SDK makes them with ``signature_algorithm="v2"``."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from alibabacloud_pai_dlc20201203 import models as dlc
from alibabacloud_pai_dlc20201203.client import Client as DlcClient
from alibabacloud_sts20150401 import models as sts
from alibabacloud_sts20150401.client import Client as StsClient
from alibabacloud_tea_openapi.exceptions import AlibabaCloudException
from alibabacloud_tea_openapi.utils import Utils

from tests.localcloud.acs_clients import config
from tests.servers import LocalCloud

ROLE = sts.AssumeRoleRequest(role_arn="acs:ram::1:role/r", role_session_name="s", policy='{"a": "ü&+ ~*"}')
ODD = dlc.ListJobsRequest(display_name="a b+c&d=é~/*'(")


def code_of(cloud: LocalCloud, **key: str) -> tuple[str, str]:
    """With which codes the ROA and the RPC call are refused."""
    settings = config(cloud, signature_algorithm="v2", **key)
    with pytest.raises(AlibabaCloudException) as roa:
        DlcClient(settings).list_jobs(ODD)
    with pytest.raises(AlibabaCloudException) as rpc:
        StsClient(settings).assume_role(ROLE)
    return roa.value.code, rpc.value.code


def test_right_signatures_are_taken(cloud: LocalCloud) -> None:
    settings = config(cloud, signature_algorithm="v2")
    assert DlcClient(settings).list_jobs(ODD).body.jobs == []
    keys = StsClient(settings).assume_role(ROLE).body.credentials
    temporary = config(
        cloud,
        key_id=keys.access_key_id,
        secret=keys.access_key_secret,
        token=keys.security_token,
        signature_algorithm="v2",
    )
    assert StsClient(temporary).get_caller_identity().body.identity_type == "AssumedRoleUser"
    assert DlcClient(temporary).list_jobs(dlc.ListJobsRequest()).status_code == 200


def test_wrong_keys_are_refused(cloud: LocalCloud) -> None:
    assert code_of(cloud, secret="wrong") == ("SignatureDoesNotMatch",) * 2
    assert code_of(cloud, key_id="nobody") == ("InvalidAccessKeyId.NotFound",) * 2
    assert code_of(cloud, token="forged") == ("InvalidSecurityToken.Malformed",) * 2


@pytest.mark.parametrize("minutes", [-20, 20])
def test_an_old_date_is_refused(cloud: LocalCloud, monkeypatch: pytest.MonkeyPatch, minutes: int) -> None:
    moment = datetime.now(UTC) + timedelta(minutes=minutes)
    monkeypatch.setattr(Utils, "get_timestamp", lambda: moment.strftime("%Y-%m-%dT%H:%M:%SZ"))
    monkeypatch.setattr(Utils, "get_date_utcstring", lambda: format_datetime(moment, usegmt=True))
    assert code_of(cloud) == ("InvalidTimeStamp.Expired",) * 2


def test_a_date_that_is_none_is_refused(cloud: LocalCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Utils, "get_timestamp", lambda: "yesterday")
    monkeypatch.setattr(Utils, "get_date_utcstring", lambda: "yesterday")
    assert code_of(cloud) == ("InvalidTimeStamp.Format",) * 2


def test_a_nonce_is_good_once(cloud: LocalCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = config(cloud, signature_algorithm="v2")
    nonces = iter([secrets.token_hex(8), secrets.token_hex(8)] * 2)
    monkeypatch.setattr(Utils, "get_nonce", lambda: next(nonces))
    DlcClient(settings).list_jobs(ODD)
    StsClient(settings).assume_role(ROLE)
    assert code_of(cloud) == ("SignatureNonceUsed",) * 2
