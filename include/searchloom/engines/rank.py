"""From chunks to documents."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

from searchloom.engines.interface import Hit
from searchloom.identity import chunk_id


def chunk_of(hit: Hit) -> str:
    """Id of the chunk, also of a slim hit."""
    return hit.chunk_id or chunk_id(hit.doc_id, hit.source["ordinal"])


def best_chunks(hits: Iterable[Hit]) -> dict[str, Hit]:
    """The best chunk of each document, by doc_id; best first, equal scores in the order of the documents' ids."""
    best: dict[str, Hit] = {}
    for hit in hits:
        there = best.get(hit.doc_id)
        if there is None or hit.score > there.score:
            best[hit.doc_id] = hit
    # Engines answer best first: then there is nothing to do but to see it.
    if all(one.score > other.score for one, other in pairwise(best.values())):
        return best
    return {hit.doc_id: hit for hit in sorted(best.values(), key=lambda hit: (-hit.score, hit.doc_id))}
