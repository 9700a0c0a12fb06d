"""Bailian (Model Studio) from an Airflow connection: DashScope's models and jobs, and Bailian's own RAG."""

from __future__ import annotations

from pydantic import SecretStr

from alibaba_ai.hooks.connection import ConnectionHook, acs_of
from searchloom.cloud.bailian import Bailian
from searchloom.cloud.bailian_rag import BailianRag
from searchloom.settings import Bailian as BailianSettings

DASHSCOPE_URL = "https://dashscope.aliyuncs.com"


class BailianHook(ConnectionHook):
    """Make the clients of one connection of type ``alibaba_bailian``.

    DashScope takes an API key; the RAG calls take an access key and a workspace, so the form has both.
    """

    default_conn_name = "alibaba_bailian"
    conn_type = "alibaba_bailian"
    hook_name = "Alibaba Cloud Bailian (searchloom)"

    def get_conn(self) -> Bailian:
        """Return the client of DashScope; ``UsageError`` where the connection has no API key. Close it after use."""
        connection = self.get_connection(self.conn_id)
        self.required({"API key": connection.password})
        return Bailian(
            BailianSettings(
                url=connection.host or DASHSCOPE_URL,
                api_key=SecretStr(connection.password),
                workspace_id=connection.extra_dejson.get("workspace_id") or "",
            )
        )

    def rag(self) -> BailianRag:
        """Return the client of files, indexes and retrieval; ``UsageError`` where the workspace is missing."""
        extra = self.get_connection(self.conn_id).extra_dejson
        self.required({"Workspace id": extra.get("workspace_id")})
        acs = acs_of(
            endpoint=extra.get("rag_endpoint") or "",
            key_id=extra.get("access_key_id") or "",
            secret=extra.get("access_key_secret") or "",
            extra=extra,
        )
        return BailianRag(acs, workspace_id=str(extra["workspace_id"]))

    def probe(self) -> str:
        """Ask for one fine-tune of the account."""
        bailian = self.get_conn()
        try:
            next(bailian.file_names(), None)
        finally:
            bailian.close()
        return f"DashScope at {bailian.endpoint} takes the API key"
