"""The OpenSearch dialect: its vector field and its k-NN query."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from searchloom.engines.dialect import EF_CONSTRUCTION, HNSW_M
from searchloom.settings import EngineName


class OpenSearchDialect:
    """What OpenSearch wants to have said differently."""

    name: Final[EngineName] = "opensearch"

    def index_settings(self) -> dict[str, Any]:
        """Index settings that only this engine knows."""
        return {"knn": True}

    def vector_field(self, dims: int) -> dict[str, Any]:
        """Mapping of ``embedding``: the lucene engine, so that graph and scores are those of Elasticsearch."""
        method = {
            "name": "hnsw",
            "engine": "lucene",
            "space_type": "cosinesimil",
            "parameters": {"m": HNSW_M, "ef_construction": EF_CONSTRUCTION},
        }
        return {"type": "knn_vector", "dimension": dims, "method": method}

    def vector_search(
        self, embedding: Sequence[float], filters: list[dict[str, Any]], *, size: int, candidates: int
    ) -> dict[str, Any]:
        """Search body for the nearest chunks; the lucene engine takes the breadth of its search from ``k``."""
        knn = {"vector": list(embedding), "k": candidates, "filter": {"bool": {"filter": filters}}}
        return {"size": size, "query": {"knn": {"embedding": knn}}}

    def lexical_score(self, score: float) -> float:
        """BM25 as Lucene gives it."""
        return score
