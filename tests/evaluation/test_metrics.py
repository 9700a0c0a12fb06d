from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from searchloom.evaluation import metrics

QRELS = {"q1": {"a": 1, "b": 1}, "q2": {"c": 1}}


def test_measures_are_those_of_the_textbook():
    values = metrics.per_query(QRELS, {"q1": ["x", "a", "b"], "q2": ["c"]})
    ideal = 1 + 1 / math.log2(3)
    assert values["ndcg@10"]["q1"] == pytest.approx((1 / math.log2(3) + 1 / math.log2(4)) / ideal)
    assert values["mrr@10"] == {"q1": pytest.approx(0.5), "q2": pytest.approx(1.0)}
    assert values["recall@100"] == {"q1": 1.0, "q2": 1.0}


def test_a_query_without_an_answer_counts_as_zero():
    values = metrics.per_query(QRELS, {"q1": ["a", "b"], "q2": []})
    assert values["ndcg@10"]["q2"] == 0.0
    assert len(values["ndcg@10"]) == 2


def test_the_order_that_was_served_is_judged_not_the_alphabet():
    first = metrics.per_query({"q": {"a": 1}}, {"q": ["a", "z"]})
    last = metrics.per_query({"q": {"a": 1}}, {"q": ["z", "a"]})
    assert first["mrr@10"]["q"] == 1.0
    assert last["mrr@10"]["q"] == 0.5


def test_equal_rankings_differ_by_nothing():
    values = {f"q{i}": i / 10 for i in range(10)}
    assert metrics.paired_bootstrap(values, values) == metrics.Interval(0.0, 0.0, 0.0)


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=2, max_size=40))
def test_the_interval_holds_the_mean(pairs: list[tuple[float, float]]):
    better = {str(i): pair[0] for i, pair in enumerate(pairs)}
    base = {str(i): pair[1] for i, pair in enumerate(pairs)}
    interval = metrics.paired_bootstrap(better, base)
    assert interval.low - 1e-9 <= interval.mean <= interval.high + 1e-9


def test_a_clear_gain_has_an_interval_above_zero():
    base = {str(i): 0.4 + 0.1 * (i % 3) for i in range(100)}
    better = {query: value + 0.05 + 0.02 * (int(query) % 2) for query, value in base.items()}
    assert metrics.paired_bootstrap(better, base).low > 0
