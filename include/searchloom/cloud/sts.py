"""STS: temporary keys for a role.

API: https://help.aliyun.com/en/ram/developer-reference/api-sts-2015-04-01-assumerole
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from alibabacloud_sts20150401 import models
from alibabacloud_sts20150401.client import Client
from pydantic import SecretStr

from searchloom.cloud.acs import Connection
from searchloom.cloud.retry import repeatable
from searchloom.errors import UsageError
from searchloom.settings import Acs

SHORTEST_S = 900
LONGEST_S = 43_200
"""Documented limits of a session; a role can allow less."""


@dataclass(frozen=True, slots=True)
class TemporaryKeys:
    """Keys that end at ``expires`` (UTC)."""

    access_key_id: str
    access_key_secret: SecretStr
    security_token: SecretStr
    expires: datetime


class Sts:
    """Temporary keys. Every method raises the ``Service*`` errors."""

    def __init__(self, settings: Acs) -> None:
        self._connection = Connection(settings, "sts")
        self.endpoint = self._connection.endpoint
        self._client = Client(self._connection.config)

    @repeatable
    def assume_role(
        self, *, role_arn: str, session: str, duration_s: int = 3600, policy: Mapping[str, Any] | None = None
    ) -> TemporaryKeys:
        """Take keys of a role; ``policy`` can only narrow what the role may do. ``session`` shows in audit logs.

        Raises ``UsageError`` for a duration outside 900-43,200 seconds.
        """
        if not SHORTEST_S <= duration_s <= LONGEST_S:
            raise UsageError(f"a session of {duration_s} s is not possible; take {SHORTEST_S} to {LONGEST_S} s")
        request = models.AssumeRoleRequest(
            role_arn=role_arn,
            role_session_name=session,
            duration_seconds=duration_s,
            policy=json.dumps(policy) if policy is not None else None,
        )
        with self._connection.call(f"role {role_arn!r}"):
            keys = self._client.assume_role(request).body.credentials
        return TemporaryKeys(
            access_key_id=keys.access_key_id,
            access_key_secret=SecretStr(keys.access_key_secret),
            security_token=SecretStr(keys.security_token),
            expires=datetime.fromisoformat(keys.expiration),
        )
