"""OSS from an Airflow connection."""

from __future__ import annotations

from pydantic import SecretStr

from alibaba_ai.hooks.connection import ConnectionHook
from searchloom.cloud.oss import Oss
from searchloom.settings import Oss as OssSettings


class OssHook(ConnectionHook):
    """Make the OSS client of one connection of type ``alibaba_oss``."""

    default_conn_name = "alibaba_oss"
    conn_type = "alibaba_oss"
    hook_name = "Alibaba Cloud OSS (searchloom)"

    def get_conn(self) -> Oss:
        """Return the client of the connection's bucket; ``UsageError`` where the connection leaves out a part."""
        connection = self.get_connection(self.conn_id)
        extra = connection.extra_dejson
        self.required({"Endpoint": connection.host, "Access key id": connection.login, "Bucket": extra.get("bucket")})
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

    def probe(self) -> str:
        """Sign one request to the bucket."""
        oss = self.get_conn()
        next(iter(oss.list("releases/")), None)
        return f"bucket {oss.bucket_name!r} at {oss.endpoint} answers"
