"""Chance is not a gain, a loss is a loss, and too few queries say so."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from searchloom.evaluation.significance import Comparison, compare, differences

few = settings(max_examples=40, deadline=None)


def ndcg_like(generator: np.random.Generator, queries: int) -> np.ndarray:
    """Per-query differences of two systems that are equally good: most are 0, the rest go either way."""
    moved = generator.random(queries) < 0.5
    return np.where(moved, generator.normal(0, 0.2, queries).clip(-1, 1), 0.0)


def strata(*values: np.ndarray) -> dict[str, dict[str, float]]:
    return {str(n): {f"{n}-{i}": float(v) for i, v in enumerate(part)} for n, part in enumerate(values)}


def quick(*values: np.ndarray, seed: int = 1) -> Comparison:
    return compare(strata(*values), seed=seed, resamples=1000)


@few
@given(st.lists(st.floats(0, 1), max_size=60), st.floats(-1e-10, 1e-10))
def test_the_same_values_up_to_rounding_differ_by_nothing(values: list[float], noise: float) -> None:
    live = {str(i): value for i, value in enumerate(values)}
    candidate = {query: value + noise for query, value in live.items()}
    found = compare({"all": differences(candidate, live)}, resamples=200)
    assert (found.mean, found.low, found.high, found.p) == (0.0, 0.0, 0.0, 1.0)
    assert not found.gained
    assert not found.lost


@few
@given(st.lists(st.floats(0.01, 1), min_size=1, max_size=5), st.integers(0, 200))
def test_fewer_than_six_queries_that_changed_are_never_significant(moved: list[float], still: int) -> None:
    found = quick(np.array([*moved, *[0.0] * still]))
    assert not found.gained
    assert found.changed == len(moved)


@few
@given(st.lists(st.floats(-1, 1), min_size=1, max_size=40), st.lists(st.floats(-1, 1), max_size=40), st.integers(0, 99))
def test_turning_the_sides_round_turns_the_answer_round(one: list[float], two: list[float], seed: int) -> None:
    there = quick(np.array(one), np.array(two), seed=seed)
    back = quick(-np.array(one), -np.array(two), seed=seed)
    assert there.mean == pytest.approx(-back.mean)
    assert (there.low, there.high) == pytest.approx((-back.high, -back.low))
    assert there.p == back.p
    assert there.low - 1e-9 <= there.mean <= there.high + 1e-9


@few
@given(st.integers(0, 10_000), st.floats(0.3, 1))
def test_a_system_made_worse_is_never_a_gain(seed: int, share: float) -> None:
    generator = np.random.default_rng(seed)
    worse = -np.abs(ndcg_like(generator, 80)) * (generator.random(80) < share)
    assert not quick(worse).gained


@pytest.mark.parametrize("sizes", [(60,), (120,), (40, 200)])
def test_chance_is_called_a_difference_about_as_often_as_alpha_says(sizes: tuple[int, ...]) -> None:
    generator = np.random.default_rng(7)
    rounds = 400
    found = [quick(*(ndcg_like(generator, size) for size in sizes), seed=n) for n in range(rounds)]
    either = sum(one.gained or one.lost for one in found) / rounds
    assert 0.015 <= either <= 0.085
    assert sum(one.gained for one in found) / rounds <= 0.055


def test_a_clear_gain_and_a_clear_loss_are_found() -> None:
    generator = np.random.default_rng(3)
    gain = ndcg_like(generator, 150) + 0.08
    assert quick(gain).gained
    assert quick(-gain).lost
    assert quick(-gain).lost_more_than(0.02)
    assert not quick(-gain).lost_more_than(0.3)


def test_the_number_of_queries_named_does_show_the_difference() -> None:
    generator = np.random.default_rng(5)
    wanted = quick(ndcg_like(generator, 400) + 0.02).queries_for(0.04)
    assert wanted is not None
    shown = [quick(ndcg_like(generator, wanted) + 0.04, seed=n).gained for n in range(150)]
    assert 0.7 <= np.mean(shown) <= 0.9


def test_a_large_stratum_does_not_drown_a_small_one() -> None:
    found = quick(np.full(25, 0.4), np.zeros(400))
    assert found.mean == pytest.approx(0.4 * math.sqrt(25) / (math.sqrt(25) + math.sqrt(400)))
    assert found.queries == 425


def test_nothing_to_compare_is_no_difference() -> None:
    found = compare({})
    assert (found.p, found.queries, found.queries_for(0.01)) == (1.0, 0, None)
