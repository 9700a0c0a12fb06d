"""From chunks to documents."""

from __future__ import annotations

from collections.abc import Iterable
from math import inf

from searchloom.engines.interface import Hit
from searchloom.identity import chunk_id


def chunk_of(hit: Hit) -> str:
    """Id of the chunk, also of a slim hit."""
    return hit.chunk_id or chunk_id(hit.doc_id, hit.source["ordinal"])


def best_chunks(hits: Iterable[Hit]) -> dict[str, Hit]:
    """The best chunk of each document, by doc_id; best first, equal scores in the order of the documents' ids."""
    best: dict[str, Hit] = {}
    last, ordered = inf, True
    for hit in hits:
        there = best.get(hit.doc_id)
        if there is not None and hit.score <= there.score:
            continue
        ordered = ordered and there is None and hit.score < last
        best[hit.doc_id], last = hit, hit.score
    if ordered:  # engines answer best first: then there is nothing to do but to see it
        return best
    return {hit.doc_id: hit for hit in sorted(best.values(), key=lambda hit: (-hit.score, hit.doc_id))}
