"""Elasticsearch from an Airflow connection."""

from __future__ import annotations

from airflow.providers.elasticsearch.hooks.elasticsearch import ElasticsearchSQLHook

from search_engines.hooks.engine import loader_at, probe
from searchloom.engines.interface import Loader


class ElasticsearchLoaderHook(ElasticsearchSQLHook):  # type: ignore[misc]  # Airflow is Any to mypy here
    """Make the loader of one connection of type ``searchloom_elasticsearch`` or of the official ``elasticsearch``.

    :param conn_id: id of the connection; its schema is http or https, its extra may hold ``ca_certs``
    """

    conn_name_attr = "conn_id"
    default_conn_name = "elasticsearch_default"
    conn_type = "searchloom_elasticsearch"
    hook_name = "Elasticsearch (searchloom)"

    def __init__(self, conn_id: str = default_conn_name) -> None:
        super().__init__(conn_id=conn_id)

    def get_conn(self) -> Loader:
        """Return the loader instead of the SQL connection of the official hook."""
        return loader_at(self.connection, "elasticsearch")

    def test_connection(self) -> tuple[bool, str]:
        """Try one harmless call; what the "Test connection" button of the UI shows."""
        return probe(self.connection, "elasticsearch")
