"""From the chunks that an engine found to the documents of an answer: ranked, explained, counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import nh3

from searchloom.engines.fusion import Ranked, fuse
from searchloom.engines.interface import Hit
from searchloom.engines.rank import best_chunks
from searchloom.query.personal import Ordered
from searchloom.query.retrieval import COLUMNS, Found
from searchloom.query.schemas import Facet, FacetCount, Parts, PartScore, Result
from searchloom.query.work import Work

_MARKUP = nh3.Cleaner(tags={"em"}, attributes={})
"""Lets nothing through but the marks of what matched."""

MAX_VALUES = 50
"""Values of one facet that are shown, the most frequent ones."""


@dataclass(frozen=True, slots=True)
class Stages:
    """One ranking as it was after each stage, by doc_id: what each part said, and the scores before and after it."""

    found: Found
    fused: Mapping[str, Ranked]
    rerank: Mapping[str, float]
    rerank_weight: float
    reranked: Mapping[str, float]
    ordered: Ordered


def rank(work: Work, found: Found) -> list[Ranked]:
    """Rank the documents of all candidates, best first.

    In hybrid mode the score is the fused one; with one retriever alone it is that retriever's own.
    """
    lexical, nearest = found.lexical or [], found.nearest or []
    if work.request.mode == "hybrid":
        return fuse(lexical, nearest, work.release.fusion, language=work.understood.language)
    if work.request.mode == "bm25":
        return [
            Ranked(hit.doc_id, hit.score, hit, hit.score, None, by_words=hit.score)
            for hit in best_chunks(lexical).values()
        ]
    return [
        Ranked(hit.doc_id, hit.score, hit, None, hit.score, by_meaning=hit.score)
        for hit in best_chunks(nearest).values()
    ]


def result(document: Ranked, shown: Hit, parts: Parts | None) -> Result:
    """Show a document by its best chunk."""
    source = shown.source
    return Result(
        doc_id=document.doc_id,
        source_id=source["source_id"],
        key=source["key"],
        title=source["title"],
        section=source["section"],
        language=source["language"],
        mime=source["mime"],
        score=round(document.score, 6),
        passage=_MARKUP.clean(shown.highlight),  # whatever an engine makes of a document
        chunk_id=shown.chunk_id,
        ordinal=source["ordinal"],
        parts=parts,
    )


def explain(stages: Stages, page: Sequence[Ranked]) -> dict[str, Parts]:
    """Say what each part of the search said of each document of the page, and how much of its score that is."""
    said = {
        "bm25": _of_hits(stages.found.lexical or []),
        "vector": _of_hits(stages.found.nearest or []),
        "rerank": _placed(stages.rerank),
        "personal": _placed(stages.ordered.scores),
    }
    explained = {}
    for document in page:
        shares = _shares(stages, document)
        parts = {
            name: PartScore(
                score=round(places[document.doc_id][0], 6),
                rank=places[document.doc_id][1],
                normalised=round(places[document.doc_id][2], 6),
                share=shares[name],
                reason=stages.ordered.reasons.get(document.doc_id) if name == "personal" else None,
            )
            for name, places in said.items()
            if document.doc_id in places
        }
        explained[document.doc_id] = Parts(**parts)
    return explained


def told(stages: Stages, page: Sequence[Ranked]) -> dict[str, dict[str, float]]:
    """What ordered each document of the page without a person (``relevance``), and what each part said of it."""
    found = {}
    for one in page:
        said = {
            "relevance": stages.reranked[one.doc_id],
            "bm25": one.bm25,
            "vector": one.vector,
            "airec": stages.ordered.airec.get(one.doc_id),
        }
        found[one.doc_id] = {name: round(score, 6) for name, score in said.items() if score is not None}
    return found


def facets(hits: Iterable[Hit], wanted: Sequence[Facet]) -> dict[Facet, list[FacetCount]]:
    """Count the documents among all candidates, each by its first hit; what has no value is not counted."""
    first: dict[str, Hit] = {}
    for hit in hits:
        first.setdefault(hit.doc_id, hit)
    counted: dict[Facet, list[FacetCount]] = {}
    for name in wanted:
        values = Counter(value for hit in first.values() if (value := hit.source.get(COLUMNS[name])))
        ordered = sorted(values.items(), key=lambda one: (-one[1], one[0]))[:MAX_VALUES]
        counted[name] = [FacetCount(value=value, count=count) for value, count in ordered]
    return counted


def _shares(stages: Stages, document: Ranked) -> dict[str, float]:
    """Take the final score apart; the shares add up to 1 where anything speaks for the document."""
    fused = stages.fused[document.doc_id]
    reranked = stages.reranked[document.doc_id]
    kept = 1 - stages.rerank_weight if document.doc_id in stages.rerank else 1.0
    raw = {
        "bm25": kept * fused.by_words,
        "vector": kept * fused.by_meaning,
        "rerank": reranked - kept * fused.score,
        "personal": document.score - reranked,
    }
    bounded = {name: max(value, 0.0) for name, value in raw.items()}
    whole = sum(bounded.values())
    return {name: round(value / whole, 4) if whole else 0.0 for name, value in bounded.items()}


def _of_hits(hits: Sequence[Hit]) -> dict[str, tuple[float, int, float]]:
    """Score, place and normalised score of every candidate document of one retriever."""
    return _placed({doc_id: hit.score for doc_id, hit in best_chunks(hits).items()})


def _placed(scores: Mapping[str, float]) -> dict[str, tuple[float, int, float]]:
    if not scores:
        return {}
    high, low = max(scores.values()), min(scores.values())
    spread = high - low
    ordered = sorted(scores.items(), key=lambda one: -one[1])
    return {
        doc_id: (score, place, (score - low) / spread if spread else 1.0)
        for place, (doc_id, score) in enumerate(ordered, start=1)
    }
