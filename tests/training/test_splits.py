from __future__ import annotations

import string

from hypothesis import given
from hypothesis import strategies as st

from searchloom.training import splits

WORDS = st.sampled_from(["wing", "flow", "heat", "plate", "jet", "shock", "wave", "boundary", "layer", "flutter"])
QUERIES = st.lists(WORDS, min_size=1, max_size=5).map(" ".join)
NAMED = st.dictionaries(st.text(string.hexdigits, min_size=1, max_size=6), QUERIES, max_size=60)


def jaccard(left: str, right: str) -> float:
    one, two = splits._shingles(left), splits._shingles(right)
    return len(one & two) / len(one | two)


@given(NAMED, st.integers(0, 5))
def test_near_duplicate_queries_never_lie_on_both_sides(queries: dict[str, str], seed: int):
    dev = splits.carve(queries, seed=seed)
    assert len(dev) <= splits.DEV_MOST
    assert len(dev) <= len(queries)
    for one in dev:
        for other in queries.keys() - dev:
            assert jaccard(queries[one], queries[other]) < splits.NEAR


@given(st.lists(QUERIES | st.text(max_size=12), max_size=25), st.lists(QUERIES | st.text(max_size=12), max_size=25))
def test_near_finds_what_comparing_everything_finds(texts: list[str], others: list[str]):
    slow = {index for index, text in enumerate(texts) if any(jaccard(text, other) >= splits.NEAR for other in others)}
    assert splits.near(texts, others) == slow


@given(NAMED)
def test_groups_hold_every_query_once(queries: dict[str, str]):
    found = splits.groups(queries)
    assert sorted(one for group in found for one in group) == sorted(queries)


@given(NAMED, st.integers(0, 5))
def test_a_new_query_moves_no_other_to_another_side_by_its_order(queries: dict[str, str], seed: int):
    backwards = dict(reversed(queries.items()))
    assert splits.carve(queries, seed=seed) == splits.carve(backwards, seed=seed)


def test_a_fifth_of_distinct_queries_becomes_dev():
    queries = {str(number): f"{number:05d} {number * 7919:09d}" for number in range(100)}
    assert len(splits.carve(queries, seed=1)) == 20


def test_case_marks_and_width_of_characters_make_no_other_query():
    assert splits.near(["Boundary-layer FLOW?"], ["boundary layer flow"]) == {0}
    assert splits.near(["ＡＢＣ流体"], ["abc流体"]) == {0}


def test_by_time_the_newest_queries_become_dev():
    assert splits.newest({f"q{day}": float(day) for day in range(10)}) == {"q9", "q8"}


def test_judged_documents_are_held_out_only_where_others_run_out():
    documents = [f"d{number}" for number in range(100)]
    judged = set(documents[:95])
    chosen = splits.heldout(documents, documents=100, judged=judged, seed=3)
    assert len(chosen) == 10
    assert set(documents[95:]) <= set(chosen)
