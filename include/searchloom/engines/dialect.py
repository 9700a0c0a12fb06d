"""What the two engines do differently, as one small protocol; everything else is shared code."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from searchloom.settings import EngineName

HNSW_M = 16
EF_CONSTRUCTION = 200
"""Breadth of the graph search while indexing: at 200 both engines find the same neighbours to three digits of nDCG."""


class Dialect(Protocol):
    """One engine's own way of saying things."""

    @property
    def name(self) -> EngineName:
        """Which engine this is."""

    def index_settings(self) -> dict[str, Any]:
        """Index settings that only this engine knows."""

    def vector_field(self, dims: int) -> dict[str, Any]:
        """Mapping of the field ``embedding``: cosine over an HNSW graph of full floats."""

    def vector_search(
        self, embedding: Sequence[float], filters: list[dict[str, Any]], *, size: int, candidates: int
    ) -> dict[str, Any]:
        """Search body for the ``size`` nearest chunks that pass ``filters``; both engines score ``(1 + cos) / 2``."""

    def lexical_score(self, score: float) -> float:
        """Bring a BM25 score to the scale that both engines share: that of Lucene since version 8."""
