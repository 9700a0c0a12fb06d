"""The hook of an engine by the engine's name, or by the type of a connection."""

from __future__ import annotations

from airflow.sdk import BaseHook

from search_engines.hooks.elasticsearch import ElasticsearchLoaderHook
from search_engines.hooks.opensearch import OpenSearchLoaderHook
from searchloom.engines.interface import Loader
from searchloom.errors import UsageError
from searchloom.settings import EngineName

_HOOKS: dict[str, type[ElasticsearchLoaderHook | OpenSearchLoaderHook]] = {
    "opensearch": OpenSearchLoaderHook,
    "elasticsearch": ElasticsearchLoaderHook,
}


def loader_of(engine: EngineName) -> Loader:
    """Return the loader of the engine's default connection (``opensearch_default``, ``elasticsearch_default``)."""
    return _HOOKS[engine]().get_conn()


def loader_by(conn_id: str) -> Loader:
    """Return the loader of a connection, whose type says which engine it is; ``UsageError`` for any other type."""
    kind = BaseHook.get_connection(conn_id).conn_type
    hook = _HOOKS.get(kind.removeprefix("searchloom_"))
    if hook is None:
        raise UsageError(f"connection {conn_id!r} is of type {kind!r}; take one of OpenSearch or Elasticsearch")
    return hook(conn_id).get_conn()
