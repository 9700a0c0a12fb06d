"""PAI from an Airflow connection: training jobs (DLC), the model registry (AIWorkSpace), model services (EAS)."""

from __future__ import annotations

from airflow.sdk import BaseHook
from pydantic import SecretStr

from searchloom.cloud.pai_dlc import PaiDlc
from searchloom.cloud.pai_eas import PaiEas
from searchloom.cloud.pai_registry import PaiRegistry
from searchloom.errors import SearchloomError, UsageError
from searchloom.settings import Acs


class PaiHook(BaseHook):  # type: ignore[misc]  # Airflow is Any to mypy here
    """Make the clients of one connection of type ``alibaba_pai``.

    :param alibaba_pai_conn_id: id of the connection
    """

    conn_name_attr = "alibaba_pai_conn_id"
    default_conn_name = "alibaba_pai"
    conn_type = "alibaba_pai"
    hook_name = "Alibaba Cloud PAI (searchloom)"

    def __init__(self, alibaba_pai_conn_id: str = default_conn_name) -> None:
        super().__init__()
        self.conn_id = alibaba_pai_conn_id

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

    def test_connection(self) -> tuple[bool, str]:
        """Ask for one job of the workspace; what the "Test connection" button of the UI shows."""
        try:
            dlc = self.get_conn()
            next(dlc.list(), None)
        except SearchloomError as error:
            return False, str(error)
        return True, f"workspace {dlc.workspace_id!r} at {dlc.endpoint} answers"

    def _parts(self) -> tuple[Acs, str]:
        connection = self.get_connection(self.conn_id)
        extra = connection.extra_dejson
        workspace_id = extra.get("workspace_id")
        if not workspace_id:
            raise UsageError(f"connection {self.conn_id!r} has no Workspace id; add it under Admin, Connections")
        acs = Acs(
            endpoint=connection.host or "",
            region=extra.get("region") or Acs().region,
            # Without a key the SDK looks for credentials itself: variables, profile, the role of the instance.
            credentials="static" if connection.login else "default",
            access_key_id=connection.login or "",
            access_key_secret=SecretStr(connection.password or ""),
            security_token=SecretStr(extra.get("security_token") or ""),
        )
        return acs, str(workspace_id)
