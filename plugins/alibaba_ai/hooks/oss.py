"""OSS from an Airflow connection."""

from __future__ import annotations

from airflow.sdk import BaseHook
from pydantic import SecretStr

from searchloom.cloud.oss import Oss
from searchloom.errors import SearchloomError, UsageError
from searchloom.settings import Oss as OssSettings


class OssHook(BaseHook):  # type: ignore[misc]  # Airflow is Any to mypy here
    """Make the OSS client of one connection of type ``alibaba_oss``.

    :param alibaba_oss_conn_id: id of the connection
    """

    conn_name_attr = "alibaba_oss_conn_id"
    default_conn_name = "alibaba_oss"
    conn_type = "alibaba_oss"
    hook_name = "Alibaba Cloud OSS (searchloom)"

    def __init__(self, alibaba_oss_conn_id: str = default_conn_name) -> None:
        super().__init__()
        self.conn_id = alibaba_oss_conn_id

    def get_conn(self) -> Oss:
        """Return the client of the connection's bucket; ``UsageError`` where the connection leaves out a part."""
        connection = self.get_connection(self.conn_id)
        extra = connection.extra_dejson
        needed = {"Endpoint": connection.host, "Access key id": connection.login, "Bucket": extra.get("bucket")}
        missing = [label for label, value in needed.items() if not value]
        if missing:
            raise UsageError(f"connection {self.conn_id!r} has no {missing[0]}; add it under Admin, Connections")
        return Oss(
            OssSettings(
                endpoint=connection.host,
                region=extra.get("region") or OssSettings().region,
                bucket=extra["bucket"],
                access_key_id=connection.login,
                access_key_secret=SecretStr(connection.password or ""),
                security_token=SecretStr(extra.get("security_token") or ""),
            )
        )

    def test_connection(self) -> tuple[bool, str]:
        """Sign one request to the bucket; what the "Test connection" button of the UI shows."""
        try:
            oss = self.get_conn()
            next(iter(oss.list("releases/")), None)
        except SearchloomError as error:
            return False, str(error)
        return True, f"bucket {oss.bucket_name!r} at {oss.endpoint} answers"
