"""The lexical and the vector ranking become one: the same code for both engines.

Documents are fused, not chunks: a document may be found by one chunk in one list and by another in the other. What
comes out depends on the two lists alone, so ask for a fixed number of candidates and cut the page off afterwards.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import attrgetter

from msgspec import Struct
from msgspec.structs import replace

from searchloom.engines.interface import Hit
from searchloom.engines.rank import best_chunks
from searchloom.identity import embedding_text
from searchloom.release.document import Fusion

RRF_K = 60
"""The constant of reciprocal rank fusion, as in the paper (Cormack et al., 2009)."""


class Ranked(Struct, frozen=True):
    """One document of the fused ranking; a struct for the reason that a hit is one.

    ``score`` is in [0, 1] for ``minmax``. ``bm25`` and ``vector`` are the engine's scores (a BM25 sum, a cosine) of
    the document's best chunk in each list; None where the list does not hold it. ``by_words`` and ``by_meaning`` are
    what each list brought to the fused score.
    """

    doc_id: str
    score: float
    hit: Hit
    bm25: float | None
    vector: float | None
    by_words: float = 0.0
    by_meaning: float = 0.0


def fuse(bm25: Sequence[Hit], vector: Sequence[Hit], fusion: Fusion, *, language: str = "") -> list[Ranked]:
    """Fuse two lists of chunks into one ranking of documents, best first; either list may be empty.

    ``hit`` is the lexical one where there is one, because its passage shows the query's words.
    """
    lexical, nearest = best_chunks(bm25), best_chunks(vector)
    weight = fusion.weight(language)
    words, meaning = _scaled(lexical, fusion, 1 - weight), _scaled(nearest, fusion, weight)
    ranked = []
    for doc_id, by_meaning in meaning.items():
        near = nearest[doc_id]
        if hit := lexical.get(doc_id):
            by_words = words[doc_id]
            ranked.append(Ranked(doc_id, by_words + by_meaning, hit, hit.score, near.score, by_words, by_meaning))
        else:
            ranked.append(Ranked(doc_id, by_meaning, near, None, near.score, 0.0, by_meaning))
    for doc_id, by_words in words.items():
        if doc_id not in nearest:
            hit = lexical[doc_id]
            ranked.append(Ranked(doc_id, by_words, hit, hit.score, None, by_words))
    # Sorts are stable: of equal scores the lower doc_id comes first.
    ranked.sort(key=attrgetter("doc_id"))
    ranked.sort(key=attrgetter("score"), reverse=True)
    return ranked


def blend(ranked: Sequence[Ranked], scores: Mapping[str, float], weight: float) -> list[Ranked]:
    """Blend a reranker's scores (doc_id -> any scale) into the head of a fused ranking, best first.

    The scores are brought to the range that the fused scores of the same documents span; ``weight`` in [0, 1] is the
    reranker's share. So the head stays the head: a document that was not reranked keeps its place below it.
    """
    head = [entry for entry in ranked if entry.doc_id in scores]
    if not head:
        return list(ranked)
    fused, judged = [entry.score for entry in head], [scores[entry.doc_id] for entry in head]
    lowest, spread = min(fused), max(fused) - min(fused)
    low, high = min(judged), max(judged)
    blended = [
        replace(entry, score=(1 - weight) * entry.score + weight * (lowest + spread * (one - low) / (high - low)))
        if high > low
        else entry
        for entry, one in zip(head, judged, strict=True)
    ]
    rest = [entry for entry in ranked if entry.doc_id not in scores]
    return [*sorted(blended, key=lambda entry: (-entry.score, entry.doc_id)), *rest]


def passage(entry: Ranked) -> str:
    """Return the text of a fused document that a reranker reads beside the query: its best chunk, as it is embedded."""
    source = entry.hit.source
    return embedding_text(source["title"], source["section"], source["text"])


def _scaled(hits: dict[str, Hit], fusion: Fusion, weight: float) -> dict[str, float]:
    """Bring one list's scores to the scale they are added on, weighted; a document that is not in it counts as 0."""
    if fusion.method == "rrf":
        return {doc_id: weight / (RRF_K + rank) for rank, doc_id in enumerate(hits, start=1)}
    scores = [hit.score for hit in hits.values()]
    low, high = min(scores, default=0.0), max(scores, default=0.0)
    if high == low:
        return dict.fromkeys(hits, weight)
    spread = high - low
    return {doc_id: weight * ((hit.score - low) / spread) for doc_id, hit in hits.items()}
