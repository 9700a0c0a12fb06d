"""From settings to the writing side of an engine, by the engine's official client."""

from __future__ import annotations

from searchloom.engines.dialects import dialect
from searchloom.engines.elasticsearch_wire import ElasticsearchWire
from searchloom.engines.interface import Loader
from searchloom.engines.loader import EngineLoader
from searchloom.engines.opensearch_wire import OpenSearchWire
from searchloom.engines.reranking import EngineReranker
from searchloom.engines.reranking_elasticsearch import ElasticsearchReranker
from searchloom.engines.reranking_opensearch import OpenSearchReranker
from searchloom.engines.wire import Wire
from searchloom.settings import Engine, EngineName, Settings


def wire(name: EngineName, settings: Engine) -> Wire:
    """Connect to an engine; nothing is sent yet. Close it after use."""
    return OpenSearchWire(settings) if name == "opensearch" else ElasticsearchWire(settings)


def loader(settings: Settings, name: EngineName) -> Loader:
    """Connect the writing side of an engine; nothing is sent yet. Close it after use."""
    return EngineLoader(dialect(name), wire(name, settings.engine(name)))


def reranker(settings: Settings, name: EngineName) -> EngineReranker:
    """Connect to an engine that reranks by itself; nothing is sent yet. Close it after use."""
    connection = wire(name, settings.engine(name))
    return OpenSearchReranker(connection) if name == "opensearch" else ElasticsearchReranker(connection)
