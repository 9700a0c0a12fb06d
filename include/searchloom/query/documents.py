"""From the chunks that an engine found to the documents that a page of the answer shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from searchloom.engines.fusion import Ranked, fuse
from searchloom.engines.interface import Hit
from searchloom.engines.rank import best_chunks
from searchloom.query import language
from searchloom.query.rerank import Reranked
from searchloom.query.schemas import Explain, PartScore, Result, SearchRequest
from searchloom.release.document import Fusion


def rank(request: SearchRequest, fusion: Fusion, lexical: Sequence[Hit], nearest: Sequence[Hit]) -> list[Ranked]:
    """Rank the documents of all candidates, best first.

    In hybrid mode the score is the fused one; with one retriever alone it is that retriever's own.
    """
    if request.mode == "hybrid":
        return fuse(lexical, nearest, fusion, language=language.of_query(request.query))
    return _alone(request, lexical or nearest)


def page(request: SearchRequest, found: Reranked, lexical: Sequence[Hit], nearest: Sequence[Hit]) -> list[Result]:
    """Cut out the page that was asked for, and say why each document stands where it does."""
    ranked = found.ranked[request.offset : request.offset + request.k]
    if not request.explain:
        return [_result(one, None) for one in ranked]
    by_words, by_meaning = _of_hits(lexical), _of_hits(nearest)
    by_reranker = _of_scores(found.scores)
    return [
        _result(
            one,
            Explain(
                bm25=by_words.get(one.doc_id), vector=by_meaning.get(one.doc_id), rerank=by_reranker.get(one.doc_id)
            ),
        )
        for one in ranked
    ]


def _alone(request: SearchRequest, hits: Sequence[Hit]) -> list[Ranked]:
    by_words = request.mode == "bm25"
    return [
        Ranked(hit.doc_id, hit.score, hit, hit.score if by_words else None, None if by_words else hit.score)
        for hit in best_chunks(hits)
    ]


def _of_hits(hits: Sequence[Hit]) -> dict[str, PartScore]:
    """Score and place of every candidate document of one retriever."""
    return _of_scores({hit.doc_id: hit.score for hit in best_chunks(hits)})


def _of_scores(scores: Mapping[str, float]) -> dict[str, PartScore]:
    if not scores:
        return {}
    high, low = max(scores.values()), min(scores.values())
    return {
        doc_id: PartScore(
            score=round(score, 6),
            rank=place,
            normalised=round((score - low) / (high - low), 6) if high > low else 1.0,
        )
        for place, (doc_id, score) in enumerate(sorted(scores.items(), key=lambda one: -one[1]), start=1)
    }


def _result(document: Ranked, explain: Explain | None) -> Result:
    source = document.hit.source
    return Result(
        doc_id=document.doc_id,
        source_id=source["source_id"],
        key=source["key"],
        title=source["title"],
        section=source["section"],
        language=source["language"],
        score=round(document.score, 6),
        passage=document.hit.highlight,
        chunk_id=document.hit.chunk_id,
        ordinal=source["ordinal"],
        explain=explain,
    )
