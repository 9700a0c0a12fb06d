"""From settings to an engine: the one place that knows which dialects there are."""

from __future__ import annotations

from searchloom.engines.dialect import Dialect
from searchloom.engines.elasticsearch import ElasticsearchDialect
from searchloom.engines.interface import Loader, Searcher
from searchloom.engines.loader import EngineLoader
from searchloom.engines.opensearch import OpenSearchDialect
from searchloom.engines.searcher import EngineSearcher
from searchloom.settings import EngineName, Settings

_DIALECTS: dict[EngineName, Dialect] = {"opensearch": OpenSearchDialect(), "elasticsearch": ElasticsearchDialect()}


def loader(settings: Settings, name: EngineName) -> Loader:
    """Connect the writing side of an engine; nothing is sent yet. Close it after use."""
    dialect = _DIALECTS[name]
    return EngineLoader(dialect, dialect.connect(settings.engine(name)))


def searcher(settings: Settings, name: EngineName) -> Searcher:
    """Connect the reading side of an engine; the first search opens the connection. Close it after use."""
    dialect = _DIALECTS[name]
    return EngineSearcher(dialect, dialect.connect_async(settings.engine(name)))
