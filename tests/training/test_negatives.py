from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from searchloom.training import retrieval
from searchloom.training.negatives import CEILING, NEAR_POSITIVE, Judged, Miner
from searchloom.training.pairs import Pair
from searchloom.training.passages import Passage, Passages
from searchloom.training.retrieval import Candidates

QUERY = "lift of a wing"


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def miner(vectors: np.ndarray, query: np.ndarray, *, bm25: list[int], judged: Judged, count: int = 3) -> Miner:
    """Passages of which every two neighbours are one document; every seventh is another tenant's."""
    found = [
        Passage(f"c{at:03}", f"d{at // 2:03}", at % 2, "", "", f"text {at}", "acme" if at % 7 == 6 else "default", "")
        for at in range(len(vectors))
    ]
    near = retrieval.nearest(query[None], vectors, size=30)
    candidates = Candidates(vectors, {QUERY: 0}, query[None], near, {(QUERY, "default"): bm25})
    return Miner(Passages(found, {}), candidates, judged, 7, count)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 3), st.integers(2, 40))
def test_no_negative_may_be_an_answer(seed: int, answers: int, size: int):
    lot = np.random.default_rng(seed)
    vectors = unit(lot.normal(size=(size, 4)))  # few dimensions: many are close
    query = unit(lot.normal(size=(1, 4)))[0]
    judged = Judged({QUERY: {f"d{n:03}" for n in range(answers)}}, {QUERY: {"d003", "d001"}}, {"d004"})
    place = int(lot.integers(0, size))
    mine = miner(vectors, query, bm25=lot.permutation(size).tolist(), judged=judged)
    positive = mine.passages.all[place]
    chosen = mine.mine(Pair("q", QUERY, positive.doc_id, "human"), place)
    found = [mine.passages.all[one] for one in chosen]
    assert len(chosen) <= 3
    assert len({one.doc_id for one in found}) == len(chosen)
    for one, at in zip(found, chosen, strict=True):
        assert one.doc_id not in {positive.doc_id, "d004", *judged.answers[QUERY]}
        if one.doc_id not in judged.refused[QUERY]:
            assert one.tenant == positive.tenant
            assert vectors[at] @ vectors[place] < NEAR_POSITIVE
    assert sum(mine.found_by.values()) == len(chosen)
    assert mine.mine(Pair("q", QUERY, positive.doc_id, "human"), place) == chosen


def test_what_the_model_finds_as_near_as_the_positive_is_no_negative():
    angles = np.array([0.3, 2.0, 0.28, 2.0, 0.7, 2.0])
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    query = np.array([1, 0], np.float32)
    mine = miner(vectors, query, bm25=[2, 4], judged=Judged({}, {}, set()), count=1)
    assert vectors[2] @ query > CEILING * vectors[0] @ query
    assert mine.mine(Pair("q", QUERY, "d000", "human"), 0) == [4]


def test_a_positive_without_a_vector_gets_judged_negatives_alone():
    vectors = np.eye(6, dtype=np.float32)
    vectors[0] = 0
    judged = Judged({}, {QUERY: {"d002"}}, set())
    mine = miner(vectors, vectors[1], bm25=[2, 3, 5], judged=judged)
    assert mine.mine(Pair("q", QUERY, "d000", "human"), 0) == [4]
    assert mine.found_by == {"judged": 1}


@pytest.mark.parametrize("block", [1, 50, 10**9])
def test_nearest_is_exact_whatever_fits_into_memory(block: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(retrieval, "_BLOCK", block)
    lot = np.random.default_rng(1)
    vectors, queries = unit(lot.normal(size=(37, 8))), unit(lot.normal(size=(11, 8)))
    found = retrieval.nearest(queries, vectors, size=5)
    assert (found == np.argsort(-(queries @ vectors.T), axis=1)[:, :5]).all()
    assert retrieval.nearest(queries[:0], vectors, size=5).shape == (0, 5)
