"""From settings to an engine: the one place that knows which dialects there are."""

from __future__ import annotations

from searchloom.engines.dialect import Dialect
from searchloom.engines.elasticsearch import ElasticsearchDialect
from searchloom.engines.interface import Loader, Searcher
from searchloom.engines.loader import EngineLoader
from searchloom.engines.opensearch import OpenSearchDialect
from searchloom.engines.reranking import EngineReranker
from searchloom.engines.reranking_elasticsearch import ElasticsearchReranker
from searchloom.engines.reranking_opensearch import OpenSearchReranker
from searchloom.engines.searcher import EngineSearcher
from searchloom.settings import EngineName, Settings

_DIALECTS: dict[EngineName, Dialect] = {"opensearch": OpenSearchDialect(), "elasticsearch": ElasticsearchDialect()}


def dialect(name: EngineName) -> Dialect:
    """Return the dialect of an engine."""
    return _DIALECTS[name]


def loader(settings: Settings, name: EngineName) -> Loader:
    """Connect the writing side of an engine; nothing is sent yet. Close it after use."""
    return EngineLoader(dialect(name), dialect(name).connect(settings.engine(name)))


def searcher(settings: Settings, name: EngineName) -> Searcher:
    """Connect the reading side of an engine; the first search opens the connection. Close it after use."""
    return EngineSearcher(dialect(name), dialect(name).connect_async(settings.engine(name)))


def reranker(settings: Settings, name: EngineName) -> EngineReranker:
    """Connect to an engine that reranks by itself; nothing is sent yet. Close it after use."""
    wire = dialect(name).connect(settings.engine(name))
    return OpenSearchReranker(wire) if name == "opensearch" else ElasticsearchReranker(wire)
