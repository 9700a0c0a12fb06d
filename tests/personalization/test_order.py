"""The guards of a personal order."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from searchloom.personalization.order import FLOOR, explored, floored, spread


@settings(deadline=None, max_examples=50)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=30), st.integers(0, 2**16))
def test_nothing_irrelevant_comes_into_the_first_three_while_there_is_something_relevant(
    relevance: list[float], seed: int
) -> None:
    given_ = np.array(relevance)
    order = floored(np.random.default_rng(seed).permutation(len(given_)), given_)
    assert sorted(order.tolist()) == list(range(len(given_)))
    if len(given_) > 3 and given_.max() > given_.min():
        share = (given_ - given_.min()) / (given_.max() - given_.min())
        sound = int((share >= FLOOR).sum())
        assert (share[order[: min(3, sound)]] >= FLOOR).all()


def test_the_like_of_the_first_comes_later_where_variety_is_wanted() -> None:
    vectors = np.array([[1, 0], [1, 0], [0, 1]], np.float32)
    scores = np.array([3.0, 2.9, 2.8])
    order = np.arange(3)
    assert spread(order, scores, vectors, variety=0.6).tolist() == [0, 2, 1]
    assert spread(order, scores, vectors, variety=0.0).tolist() == [0, 1, 2]


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 40), st.integers(0, 6), st.integers(0, 2**16))
def test_every_tenth_place_tries_something_and_nothing_comes_twice(size: int, tried: int, seed: int) -> None:
    order = np.random.default_rng(seed).permutation(size)
    fresh = [int(each) for each in order[::-1][:tried]]
    found = explored(order, fresh).tolist()
    assert sorted(found) == sorted(order.tolist())
    for number, place in enumerate(fresh, start=1):
        if number * 10 <= size:
            assert place in found[: number * 10]
