from __future__ import annotations

from datetime import UTC, datetime

import pytest

from searchloom.cloud.sts import Sts
from searchloom.errors import UsageError
from searchloom.settings import Acs
from tests.cloud.golden import Wire, check_signed
from tests.cloud.recording import Answer, Recorder

ROLE = "acs:ram::1:role/r"


def test_keys_of_a_role(acs: Acs, server: Recorder) -> None:
    keys = {
        "AccessKeyId": "STS.x",
        "AccessKeySecret": "hush-secret",
        "SecurityToken": "hush-token",
        "Expiration": "2030-01-01T00:00:00Z",
    }
    server.will(Answer(body={"RequestId": "R", "Credentials": keys}))
    taken = Sts(acs).assume_role(role_arn=ROLE, session="s")
    query = [("DurationSeconds", "3600"), ("RoleArn", ROLE), ("RoleSessionName", "s")]
    wire = Wire("POST", "/", query, capture="sts.AssumeRole")
    check_signed(server.only, wire, action="AssumeRole", version="2015-04-01")
    assert (taken.access_key_id, taken.expires) == ("STS.x", datetime(2030, 1, 1, tzinfo=UTC))
    assert taken.access_key_secret.get_secret_value() == "hush-secret"
    assert "hush" not in repr(taken)


@pytest.mark.parametrize("seconds", [899, 43_201])
def test_a_duration_out_of_bounds_is_not_sent(acs: Acs, server: Recorder, seconds: int) -> None:
    with pytest.raises(UsageError, match=str(seconds)):
        Sts(acs).assume_role(role_arn=ROLE, session="s", duration_s=seconds)
    assert server.requests == []
