"""Which dialects there are."""

from __future__ import annotations

from searchloom.engines.dialect import Dialect
from searchloom.engines.elasticsearch import ElasticsearchDialect
from searchloom.engines.opensearch import OpenSearchDialect
from searchloom.settings import EngineName

_DIALECTS: dict[EngineName, Dialect] = {"opensearch": OpenSearchDialect(), "elasticsearch": ElasticsearchDialect()}


def dialect(name: EngineName) -> Dialect:
    """Return the dialect of an engine."""
    return _DIALECTS[name]
