"""From settings to the reading side of an engine; apart from the writing side, whose clients take seconds to import."""

from __future__ import annotations

from searchloom.engines.async_wire import HttpWire
from searchloom.engines.dialects import dialect
from searchloom.engines.interface import Searcher
from searchloom.engines.searcher import EngineSearcher
from searchloom.settings import EngineName, Settings


def searcher(settings: Settings, name: EngineName) -> Searcher:
    """Connect the reading side of an engine; the first search opens the connection. Close it after use."""
    return EngineSearcher(dialect(name), HttpWire(name, settings.engine(name)))
