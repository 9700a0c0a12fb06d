"""From chunks to documents."""

from __future__ import annotations

from collections.abc import Iterable

from searchloom.engines.interface import Hit


def best_chunks(hits: Iterable[Hit]) -> list[Hit]:
    """Keep the best chunk of each document; best first, equal scores in the order of the documents' ids."""
    best: dict[str, Hit] = {}
    for hit in hits:
        there = best.get(hit.doc_id)
        if there is None or hit.score > there.score:
            best[hit.doc_id] = hit
    return sorted(best.values(), key=lambda hit: (-hit.score, hit.doc_id))
