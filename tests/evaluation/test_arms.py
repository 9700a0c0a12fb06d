"""Arms of an experiment: who is in which, what the figures say, when they say nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from searchloom.engines.interface import Access
from searchloom.evaluation.arms import Counts, Rate, compared, counted
from searchloom.query.arms import dealt, in_arm
from searchloom.query.auth import Caller
from searchloom.query.schemas import SearchRequest
from searchloom.settings import Arm, Experiment

HALVES = Experiment(name="e", arms={"a": Arm(share=1), "b": Arm(share=1, personalize=False)})


def people(count: int, rate: float, seed: int, lists: int = 5) -> list[Counts]:
    generator = np.random.default_rng(seed)
    hits = generator.binomial(lists, rate, count).tolist()
    return [Counts(lists, hit, 10 * lists, hit) for hit in hits]


def test_people_are_dealt_out_by_their_shares_and_stay_where_they_are() -> None:
    experiment = Experiment(name="e", arms={"a": Arm(share=3), "b": Arm(share=1)})
    callers = [Caller(f"user-{number}", Access("t")) for number in range(4000)]
    names, again = ([found.name for one in callers if (found := dealt(experiment, one))] for _ in range(2))
    assert names == again
    assert names.count("e/a") == pytest.approx(3000, abs=120)
    assert set(names) == {"e/a", "e/b"}
    another = experiment.model_copy(update={"name": "f"})
    moved = [found.name[2:] for caller in callers if (found := dealt(another, caller))]
    both = sum(one[2:] == other == "b" for one, other in zip(names, moved, strict=True))
    assert both == pytest.approx(250, abs=60)  # another name deals anew
    assert dealt(Experiment(), callers[0]) is None


@given(st.text(max_size=20), st.text(min_size=1, max_size=10))
def test_everybody_is_in_an_arm(user: str, tenant: str) -> None:
    found = dealt(HALVES, Caller(user, Access(tenant)))
    assert found is not None
    assert found.arm == HALVES.arms[found.name.removeprefix("e/")]


def test_what_an_arm_switches_off_nobody_switches_on() -> None:
    request = SearchRequest(query="x")
    off = Arm(share=1, personalize=False, rerank=False)
    mine = dealt(Experiment(name="e", arms={"off": off}), Caller("u", Access("t")))
    answered = in_arm(request, mine)
    assert (answered.personalize, answered.rerank, answered.query) == (False, False, "x")
    assert in_arm(request, None) is request


def row(user: str, trace: str, kind: str, item: str, arm: str = "e/a", scene: str = "search") -> dict[str, Any]:
    about = {"tenant": "t", "user_id": user, "trace_id": trace}
    return {**about, "type": kind, "item_id": item, "arm": arm, "scene": scene}


def test_a_search_is_a_success_where_something_of_it_was_chosen() -> None:
    rows = [
        *(row("u", "1", "expose", item) for item in "xy"), row("u", "1", "click", "x"), row("u", "1", "like", "x"),
        row("u", "2", "expose", "x"), row("u", "2", "dislike", "x"), row("u", "2", "click", "elsewhere"),
        row("v", "3", "expose", "x", "e/b"), row("v", "4", "expose", "x", "other/a"), row("v", "5", "click", "x"),
        row("w", "6", "expose", "x"), row("w", "7", "expose", "x", "e/b"),
        row("u", "8", "expose", "x", scene="home"),
    ]  # fmt: skip
    found, crossed = counted(rows, "e")
    assert found == {"a": [Counts(2, 1, 3, 1)], "b": [Counts(1, 0, 1, 0)]}
    assert crossed == 1


def test_a_search_that_finds_nothing_is_a_search_without_success() -> None:
    rows = [row("u", "1", "expose", "x"), row("u", "1", "click", "x"), row("u", "2", "empty", "-")]
    assert counted(rows, "e")[0] == {"a": [Counts(lists=2, successes=1, shown=1, chosen=1)]}


def test_the_interval_of_a_rate_is_that_of_people_and_not_of_searches() -> None:
    # Each person always or never chooses: ten searches of one person are one observation.
    loyal = [Counts(10, 10 * (number % 2), 0, 0) for number in range(100)]
    rate = Rate.of((one.successes for one in loyal), (one.lists for one in loyal))
    assert rate.value == 0.5
    assert rate.error == pytest.approx(0.05, rel=0.02)


def test_a_real_difference_is_told_and_nothing_is_told_of_none() -> None:
    report = compared({"a": people(3000, 0.3, 1), "b": people(3000, 0.35, 2)}, HALVES)
    assert report["arms"]["b"]["verdict"] == "better"
    assert report["arms"]["b"]["more_people"] == 0
    assert report["arms"]["b"]["low"] < 0.05 < report["arms"]["b"]["high"]
    worse = compared({"a": people(3000, 0.35, 1), "b": people(3000, 0.3, 2)}, HALVES)
    assert worse["arms"]["b"]["verdict"] == "worse"
    few = compared({"a": people(50, 0.3, 1), "b": people(50, 0.3, 2)}, HALVES)["arms"]["b"]
    assert few["verdict"].startswith("not enough")
    # Two proportions of five searches each, 80 % power: about 16 var / effect^2 people in each arm.
    assert few["more_people"] == pytest.approx(16 * 0.3 * 0.7 / 5 / 0.015**2, rel=0.4)
    many = compared({"a": people(6000, 0.3, 3), "b": people(6000, 0.3, 4)}, HALVES)["arms"]["b"]
    assert many["verdict"] == "no difference of 5% or more"


def test_people_who_are_dealt_out_wrongly_raise_an_alarm() -> None:
    assert not compared({"a": people(1000, 0.3, 1), "b": people(1040, 0.3, 2)}, HALVES)["mismatch"]["alarm"]
    assert compared({"a": people(1000, 0.3, 1), "b": people(1200, 0.3, 2)}, HALVES)["mismatch"]["alarm"]
    assert compared({"a": people(10, 0.3, 1), "z": people(10, 0.3, 2)}, Experiment(name="e"))["mismatch"] is None


def test_arms_without_anybody_are_borne() -> None:
    report = compared({"a": [Counts(1, 0, 1, 0)]}, HALVES)
    assert report["arms"]["b"]["people"] == 0
    assert report["arms"]["b"]["verdict"] == "nothing to tell yet"
