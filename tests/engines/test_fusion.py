"""One ranking out of two: deterministic, and independent of the page."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from searchloom.engines.fusion import RRF_K, blend, fuse
from searchloom.engines.interface import Hit
from searchloom.engines.rank import best_chunks
from searchloom.release.document import Fusion

METHODS = [Fusion(), Fusion(method="rrf"), Fusion(vector_weight=0.1)]


def hits(**scores: float) -> list[Hit]:
    """One chunk a document, best first."""
    ranked = sorted(scores.items(), key=lambda item: -item[1])
    return [Hit(f"{doc_id}-0", doc_id, score) for doc_id, score in ranked]


def lists() -> st.SearchStrategy[list[Hit]]:
    """What an engine may answer: chunks of up to 8 documents, best first, ties included."""
    score = st.one_of(st.integers(-3, 3).map(float), st.floats(-1e6, 1e6))
    chunk = st.tuples(st.sampled_from("abcdefgh"), st.integers(0, 3), score)
    chunks = st.lists(chunk, max_size=20, unique_by=lambda drawn: drawn[:2])
    return chunks.map(lambda drawn: [Hit(f"{d}-{n}", d, s) for d, n, s in sorted(drawn, key=lambda c: -c[2])])


def test_a_document_counts_by_its_best_chunk() -> None:
    chunks = [Hit("a-1", "a", 3.0), Hit("b-0", "b", 2.0), Hit("a-0", "a", 1.0)]
    assert [hit.chunk_id for hit in best_chunks(chunks).values()] == ["a-1", "b-0"]


@given(found=lists())
def test_collapsing_depends_on_scores_not_on_the_order_of_equal_ones(found: list[Hit]) -> None:
    ranked = best_chunks(found)
    assert list(ranked) == list(best_chunks(sorted(found, key=lambda h: h.chunk_id)))
    assert ranked.keys() == {hit.doc_id for hit in found}
    scores = [hit.score for hit in ranked.values()]
    assert scores == sorted(scores, reverse=True)


def test_weighted_sum_after_min_max() -> None:
    ranked = fuse(hits(a=10, b=6, c=2), hits(b=0.9, d=0.5, a=0.1), Fusion(vector_weight=0.5))
    assert {entry.doc_id: entry.score for entry in ranked} == pytest.approx({"b": 0.75, "a": 0.5, "d": 0.25, "c": 0.0})
    assert (ranked[0].bm25, ranked[0].vector) == (6, 0.9)
    assert (ranked[2].bm25, ranked[2].vector) == (None, 0.5)


def test_reciprocal_ranks_with_weights() -> None:
    ranked = fuse(hits(a=10, b=6), hits(b=0.9), Fusion(method="rrf", vector_weight=0.25))
    expected = {"a": 0.75 / (RRF_K + 1), "b": 0.75 / (RRF_K + 2) + 0.25 / (RRF_K + 1)}
    assert {entry.doc_id: entry.score for entry in ranked} == pytest.approx(expected)


@pytest.mark.parametrize("fusion", METHODS)
@given(bm25=lists(), vector=lists())
def test_every_document_comes_once_in_one_possible_order(fusion: Fusion, bm25: list[Hit], vector: list[Hit]) -> None:
    ranked = fuse(bm25, vector, fusion)
    assert sorted(entry.doc_id for entry in ranked) == sorted({hit.doc_id for hit in bm25 + vector})
    assert ranked == sorted(ranked, key=lambda entry: (-entry.score, entry.doc_id))
    assert all(0 <= entry.score <= 1 for entry in ranked)


@pytest.mark.parametrize("fusion", METHODS)
@given(found=lists())
def test_one_list_alone_keeps_its_order(fusion: Fusion, found: list[Hit]) -> None:
    order = list(best_chunks(found))
    scores = [hit.score for hit in best_chunks(found).values()]
    if fusion.method == "rrf" or len(set(scores)) == len(scores):
        spread = max(scores, default=0) - min(scores, default=0)
        if all(a - b > spread * 1e-9 for a, b in pairwise(scores)):
            assert [entry.doc_id for entry in fuse(found, [], fusion)] == order


def test_the_passage_is_the_one_that_shows_the_querys_words() -> None:
    lexical, nearest = Hit("a-0", "a", 3.0, highlight="<em>word</em>"), Hit("a-1", "a", 0.9, highlight="head")
    assert fuse([lexical], [nearest], Fusion())[0].hit is lexical
    assert fuse([], [nearest], Fusion())[0].hit is nearest


def test_a_language_the_model_does_not_know_leans_on_words() -> None:
    fusion = Fusion(trained_languages=("en",), vector_weight_by_language={"de": 0.4})
    assert [fusion.weight(language) for language in ("en", "zh", "de", "")] == [0.5, 0.1, 0.4, 0.5]
    assert Fusion().weight("zh") == 0.5


def test_a_reranker_reorders_the_head_alone_and_as_far_as_its_weight_says() -> None:
    ranked = fuse(hits(a=10, b=8, c=6, d=2), [], Fusion(vector_weight=0))
    scores = {"a": -3.0, "b": -1.0, "c": 5.0}
    assert blend(ranked, scores, 0.0) == ranked
    assert [entry.doc_id for entry in blend(ranked, scores, 1.0)] == ["c", "b", "a", "d"]
    middle = {entry.doc_id: entry.score for entry in blend(ranked, scores, 0.5)}
    assert middle == pytest.approx({"c": 0.75, "a": 0.75, "b": 0.5 * 0.75 + 0.5 * (0.5 + 0.5 * 0.25), "d": 0.0})


@given(found=lists(), weight=st.floats(0, 1), depth=st.integers(0, 8))
def test_what_was_not_reranked_stays_below_what_was(found: list[Hit], weight: float, depth: int) -> None:
    ranked = fuse(found, [], Fusion())
    head = {entry.doc_id: -float(place) for place, entry in enumerate(ranked[:depth])}
    blended = blend(ranked, head, weight)
    assert {entry.doc_id for entry in blended[:depth]} == set(head)
    assert blended[depth:] == ranked[depth:]
    assert all(0 <= entry.score <= 1 + 1e-9 for entry in blended)
