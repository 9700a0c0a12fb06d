"""What the hooks share: reading an Airflow connection, testing it, and taking the keys of a role."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow.sdk import BaseHook
from airflow.sdk.log import mask_secret
from pydantic import SecretStr

from searchloom.cloud.sts import Sts
from searchloom.errors import SearchloomError, UsageError
from searchloom.settings import Acs

ROLE_SESSION = "searchloom-airflow"
"""Shows in the audit logs of a role that a connection names."""


class ConnectionHook(BaseHook):  # type: ignore[misc]  # Airflow is Any to mypy here
    """One Airflow connection; a subclass makes the clients of its service and says how to try them.

    :param conn_id: id of the connection
    """

    conn_name_attr = "conn_id"
    default_conn_name = ""

    def __init__(self, conn_id: str | None = None) -> None:
        super().__init__()
        self.conn_id = conn_id or self.default_conn_name

    def test_connection(self) -> tuple[bool, str]:
        """Try one harmless call; what the "Test connection" button of the UI shows."""
        try:
            return True, self.probe()
        except SearchloomError as error:
            return False, str(error)

    def probe(self) -> str:
        """Make one call that changes nothing and say what answered; raises the errors of the client."""
        raise NotImplementedError

    def required(self, fields: Mapping[str, Any]) -> None:
        """Raise ``UsageError`` for the first field of the form (label -> value) that is empty."""
        missing = next((label for label, value in fields.items() if not value), None)
        if missing:
            raise UsageError(f"connection {self.conn_id!r} has no {missing}; add it under Admin, Connections")


def acs_of(*, endpoint: str, key_id: str, secret: str, extra: Mapping[str, Any]) -> Acs:
    """Return how ACS3 services are called: with the keys of the form, or with those of the role that it names.

    Without a key the SDK looks for credentials itself: variables, profile, the role of the machine. The keys of a role
    are good for an hour; a trigger connects anew before that.
    """
    acs = Acs(
        endpoint=endpoint,
        region=extra.get("region") or Acs().region,
        credentials="static" if key_id else "default",
        access_key_id=key_id,
        access_key_secret=SecretStr(secret),
        security_token=SecretStr(extra.get("security_token") or ""),
    )
    if not (role_arn := extra.get("role_arn")):
        return acs
    keys = Sts(acs).assume_role(role_arn=role_arn, session=ROLE_SESSION)
    mask_secret([keys.access_key_secret.get_secret_value(), keys.security_token.get_secret_value()])
    temporary = {
        "credentials": "static",
        "access_key_id": keys.access_key_id,
        "access_key_secret": keys.access_key_secret,
        "security_token": keys.security_token,
    }
    return acs.model_copy(update=temporary)
