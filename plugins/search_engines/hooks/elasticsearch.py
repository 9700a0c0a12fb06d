"""Elasticsearch from an Airflow connection."""

from __future__ import annotations

from pathlib import Path

from airflow.providers.elasticsearch.hooks.elasticsearch import ElasticsearchSQLHook
from pydantic import SecretStr

from searchloom import settings
from searchloom.engines.connect import loader
from searchloom.engines.interface import Loader
from searchloom.settings import Engine


class ElasticsearchLoaderHook(ElasticsearchSQLHook):  # type: ignore[misc]  # Airflow is Any to mypy here
    """Make the loader of one connection of type ``elasticsearch``; the official hook reads the connection.

    :param elasticsearch_conn_id: id of the connection; its schema is http or https, its extra may hold ``ca_certs``
    """

    def get_conn(self) -> Loader:
        """Return the loader instead of the SQL connection of the official hook."""
        connection = self.connection
        ca_certs = connection.extra_dejson.get("ca_certs")
        engine = Engine(
            url=f"{connection.schema or 'http'}://{connection.host}:{connection.port or 9200}",
            username=connection.login or "",
            password=SecretStr(connection.password or ""),
            ca_certs=Path(ca_certs) if ca_certs else None,
        )
        return loader(settings.load().model_copy(update={"elasticsearch": engine}), "elasticsearch")
