from __future__ import annotations

import pytest
from pydantic import SecretStr

from searchloom.cloud import credentials
from searchloom.errors import UsageError
from searchloom.settings import Acs
from tests.cloud.recording import Answer, Recorder


def keys(**more: object) -> Acs:
    return Acs(access_key_id="id", access_key_secret=SecretStr("secret")).model_copy(update=more)


def test_static_keys_and_temporary_ones() -> None:
    static = credentials.provider(keys()).get_credential()
    assert (static.access_key_id, static.access_key_secret, static.type) == ("id", "secret", "access_key")
    temporary = credentials.provider(keys(security_token=SecretStr("token"))).get_credential()
    assert (temporary.security_token, temporary.type) == ("token", "sts")


def test_the_role_of_the_machine_comes_from_its_metadata(server: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ALIBABA_CLOUD_ECS_METADATA_DISABLED", raising=False)
    role = {
        "Code": "Success",
        "AccessKeyId": "STS.role",
        "AccessKeySecret": "role-secret",
        "SecurityToken": "role-token",
        "Expiration": "2099-01-01T00:00:00Z",
    }
    server.will(Answer(body=b"metadata-token"), Answer(body=role))
    provider = credentials.provider(Acs(credentials="ecs_role", role="a-role"))
    # The SDK knows one address of the metadata service; the test's server stands in for it.
    source = provider.cloud_credential.provider
    source._EcsRamRoleCredentialsProvider__metadata_service_host = server.url.removeprefix("http://")
    found = provider.get_credential()
    assert (found.access_key_id, found.security_token) == ("STS.role", "role-token")
    assert [request.method for request in server.requests] == ["PUT", "GET"]
    assert server.requests[1].path.endswith("/security-credentials/a-role")


@pytest.mark.parametrize(
    ("settings", "missing"),
    [
        (Acs(), "acs.access_key_id"),
        (Acs(access_key_id="id"), "acs.access_key_secret"),
        (keys(credentials="role_arn"), "acs.role_arn"),
    ],
)
def test_settings_that_lack_something_say_what(settings: Acs, missing: str) -> None:
    with pytest.raises(UsageError, match=missing):
        credentials.provider(settings)


def test_no_secret_in_the_repr() -> None:
    assert "secret" not in repr(credentials.provider(keys()))
