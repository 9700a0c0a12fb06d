"""The Elasticsearch dialect: its vector field and its k-NN search."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from searchloom.engines.dialect import EF_CONSTRUCTION, HNSW_M
from searchloom.settings import EngineName

_K1 = 1.2  # of the BM25 similarity: the default, which the mapping leaves as it is


class ElasticsearchDialect:
    """What Elasticsearch wants to have said differently."""

    name: Final[EngineName] = "elasticsearch"

    def index_settings(self) -> dict[str, Any]:
        """Index settings that only this engine knows."""
        return {}

    def vector_field(self, dims: int) -> dict[str, Any]:
        """Mapping of ``embedding``: full floats, because the default quantises and ranks differently."""
        options = {"type": "hnsw", "m": HNSW_M, "ef_construction": EF_CONSTRUCTION}
        return {
            "type": "dense_vector",
            "dims": dims,
            "index": True,
            "similarity": "cosine",
            "index_options": options,
        }

    def vector_search(
        self, embedding: Sequence[float], filters: list[dict[str, Any]], *, size: int, candidates: int
    ) -> dict[str, Any]:
        """Search body for the nearest chunks."""
        knn = {
            "field": "embedding",
            "query_vector": list(embedding),
            "k": size,
            "num_candidates": candidates,
            "filter": filters,
        }
        return {"size": size, "knn": knn}

    def lexical_score(self, score: float) -> float:
        """BM25 without the constant factor k1 + 1 that Elasticsearch kept and Lucene has dropped."""
        return score / (1 + _K1)
