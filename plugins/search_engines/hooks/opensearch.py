"""OpenSearch from an Airflow connection."""

from __future__ import annotations

from airflow.providers.opensearch.hooks.opensearch import OpenSearchHook

from search_engines.hooks.engine import loader_at, probe
from searchloom.engines.interface import Loader


class OpenSearchLoaderHook(OpenSearchHook):  # type: ignore[misc]  # Airflow is Any to mypy here
    """Make the loader of one connection of type ``searchloom_opensearch`` or of the official ``opensearch``.

    :param conn_id: id of the connection; https by its schema or by ``use_ssl`` in its extra, which may also hold
        ``ca_certs`` (a path)
    """

    conn_name_attr = "conn_id"
    default_conn_name = "opensearch_default"
    conn_type = "searchloom_opensearch"
    hook_name = "OpenSearch (searchloom)"

    def __init__(self, conn_id: str = default_conn_name) -> None:
        super().__init__(open_search_conn_id=conn_id, log_query=False)

    def get_conn(self) -> Loader:
        """Return the loader; certificates are always checked, whatever ``verify_certs`` says."""
        return loader_at(self.conn, "opensearch", scheme=self._scheme())

    def test_connection(self) -> tuple[bool, str]:
        """Try one harmless call; what the "Test connection" button of the UI shows."""
        return probe(self.conn, "opensearch", scheme=self._scheme())

    def _scheme(self) -> str:
        return self.scheme or self.conn.schema or ("https" if self.use_ssl else "http")
