"""OpenSearch from an Airflow connection."""

from __future__ import annotations

from pathlib import Path

from airflow.providers.opensearch.hooks.opensearch import OpenSearchHook
from pydantic import SecretStr

from searchloom import settings
from searchloom.engines.connect import loader
from searchloom.engines.interface import Loader
from searchloom.settings import Engine


class OpenSearchLoaderHook(OpenSearchHook):  # type: ignore[misc]  # Airflow is Any to mypy here
    """Make the loader of one connection of type ``opensearch``; the official hook reads the connection.

    :param open_search_conn_id: id of the connection; https by its schema or by ``use_ssl`` in its extra, which may also
        hold ``ca_certs`` (a path)
    """

    default_conn_name = "opensearch_default"

    def __init__(self, open_search_conn_id: str = default_conn_name) -> None:
        super().__init__(open_search_conn_id=open_search_conn_id, log_query=False)

    def get_conn(self) -> Loader:
        """Return the loader; certificates are always checked, whatever ``verify_certs`` says."""
        scheme = self.scheme or self.conn.schema or ("https" if self.use_ssl else "http")
        ca_certs = self.conn.extra_dejson.get("ca_certs")
        engine = Engine(
            url=f"{scheme}://{self.conn.host}:{self.conn.port or 9200}",
            username=self.conn.login or "",
            password=SecretStr(self.conn.password or ""),
            ca_certs=Path(ca_certs) if ca_certs else None,
        )
        return loader(settings.load().model_copy(update={"opensearch": engine}), "opensearch")
