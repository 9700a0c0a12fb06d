"""PAI from an Airflow connection: training jobs (DLC), the model registry (AIWorkSpace), model services (EAS)."""

from __future__ import annotations

from alibaba_ai.hooks.connection import ConnectionHook, acs_of
from searchloom.cloud.pai_dlc import PaiDlc
from searchloom.cloud.pai_eas import PaiEas
from searchloom.cloud.pai_registry import PaiRegistry
from searchloom.settings import Acs


class PaiHook(ConnectionHook):
    """Make the clients of one connection of type ``alibaba_pai``."""

    default_conn_name = "alibaba_pai"
    conn_type = "alibaba_pai"
    hook_name = "Alibaba Cloud PAI (searchloom)"

    def get_conn(self) -> PaiDlc:
        """Return the client of the jobs; ``UsageError`` where the connection leaves out a part."""
        acs, workspace_id = self._parts()
        return PaiDlc(acs, workspace_id=workspace_id)

    def registry(self) -> PaiRegistry:
        """Return the client of the model registry; errors as of ``get_conn``."""
        acs, workspace_id = self._parts()
        return PaiRegistry(acs, workspace_id=workspace_id)

    def eas(self) -> PaiEas:
        """Return the client of the model services; errors as of ``get_conn``."""
        acs, workspace_id = self._parts()
        return PaiEas(acs, workspace_id=workspace_id)

    def probe(self) -> str:
        """Ask for one job of the workspace."""
        dlc = self.get_conn()
        next(dlc.list(), None)
        return f"workspace {dlc.workspace_id!r} at {dlc.endpoint} answers"

    def _parts(self) -> tuple[Acs, str]:
        connection = self.get_connection(self.conn_id)
        extra = connection.extra_dejson
        self.required({"Workspace id": extra.get("workspace_id")})
        acs = acs_of(
            endpoint=connection.host or "",
            key_id=connection.login or "",
            secret=connection.password or "",
            extra=extra,
        )
        return acs, str(extra["workspace_id"])
