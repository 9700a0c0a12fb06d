"""The hook of an engine by the engine's name."""

from __future__ import annotations

from search_engines.hooks.elasticsearch import ElasticsearchLoaderHook
from search_engines.hooks.opensearch import OpenSearchLoaderHook
from searchloom.engines.interface import Loader
from searchloom.settings import EngineName


def loader_of(engine: EngineName) -> Loader:
    """Return the loader of the engine's default connection (``opensearch_default``, ``elasticsearch_default``)."""
    return OpenSearchLoaderHook().get_conn() if engine == "opensearch" else ElasticsearchLoaderHook().get_conn()
