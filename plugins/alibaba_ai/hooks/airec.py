"""AIRec from an Airflow connection."""

from __future__ import annotations

from alibaba_ai.hooks.connection import ConnectionHook, acs_of
from searchloom.cloud.airec import Airec
from searchloom.settings import Airec as AirecSettings


class AirecHook(ConnectionHook):
    """Make the client of one connection of type ``alibaba_airec``."""

    default_conn_name = "alibaba_airec"
    conn_type = "alibaba_airec"
    hook_name = "Alibaba Cloud AIRec (searchloom)"

    def get_conn(self) -> Airec:
        """Return the client of the instance; ``UsageError`` where the connection leaves out a part."""
        connection = self.get_connection(self.conn_id)
        extra = connection.extra_dejson
        self.required({"Instance id": extra.get("instance_id")})
        acs = acs_of(
            endpoint=connection.host or "",
            key_id=connection.login or "",
            secret=connection.password or "",
            extra=extra,
        )
        scene_id = extra.get("scene_id") or AirecSettings().scene_id
        return Airec(acs, AirecSettings(instance_id=extra["instance_id"], scene_id=scene_id))

    def region(self) -> str:
        """Return the region that the connection names, for links to the console."""
        return str(self.get_connection(self.conn_id).extra_dejson.get("region") or "cn-hangzhou")

    def probe(self) -> str:
        """Ask for the instance's state."""
        airec = self.get_conn()
        return f"instance {airec.instance_id!r} at {airec.endpoint} is {airec.state()}"
