"""Which keys a call is signed with, by ``alibabacloud-credentials``: it renews those of roles before they expire.

API: https://help.aliyun.com/en/sdk/developer-reference/v2-manage-python-access-credentials
"""

from __future__ import annotations

from alibabacloud_credentials.client import Client
from alibabacloud_credentials.models import Config

from searchloom.errors import UsageError
from searchloom.settings import Acs

ROLE_SESSION = "searchloom"


def provider(settings: Acs) -> Client:
    """Make the source of credentials that the settings name.

    Raises ``UsageError`` where the settings lack what their kind of credentials needs. Nothing is fetched yet.
    """
    if settings.credentials == "default":
        return Client()
    if settings.credentials == "ecs_role":
        return Client(Config(type="ecs_ram_role", role_name=settings.role or None, disable_imds_v1=True))
    keys = _keys(settings)
    if settings.credentials == "role_arn":
        if not settings.role_arn:
            raise UsageError("acs.credentials is 'role_arn' but acs.role_arn is empty; set the ARN of the role")
        return Client(
            Config(type="ram_role_arn", role_arn=settings.role_arn, role_session_name=ROLE_SESSION, **keys),
        )
    return Client(Config(type="sts" if "security_token" in keys else "access_key", **keys))


def _keys(settings: Acs) -> dict[str, str]:
    secret = settings.access_key_secret.get_secret_value()
    if not settings.access_key_id or not secret:
        raise UsageError(
            f"acs.credentials is {settings.credentials!r} but acs.access_key_id or acs.access_key_secret is empty; "
            "set both, or take the role of the ECS instance with acs.credentials = 'ecs_role'"
        )
    keys = {"access_key_id": settings.access_key_id, "access_key_secret": secret}
    token = settings.security_token.get_secret_value()
    return keys | {"security_token": token} if token else keys
