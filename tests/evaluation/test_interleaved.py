"""Interleaved experiments: the better order is named, the same order never is, and what is too little is said."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from rich.console import Console

from searchloom.evaluation import arms
from searchloom.evaluation.interleaved import judged, searches
from searchloom.query.interleaving import draft
from searchloom.settings import Arm, Experiment

DUEL = Experiment(name="e", arms={"mine": Arm(), "plain": Arm(personalize=False)}, interleaved=True)
Rows = list[dict[str, Any]]
Order = Callable[[NDArray[np.float64], np.random.Generator], list[str]]


def noisy(noise: float) -> Order:
    """An order by relevance and so much noise."""

    def order(relevance: NDArray[np.float64], lot: np.random.Generator) -> list[str]:
        return [f"d{at}" for at in np.argsort(-(relevance + noise * lot.standard_normal(len(relevance))))]

    return order


def row(user: str, trace: str, kind: str, item: str, **more: Any) -> dict[str, Any]:
    about = {"tenant": "t", "user_id": user, "trace_id": trace, "scene": "search", "query": f"q {trace}"}
    return {**about, "type": kind, "item_id": item, "arm": "e", **more}


def shown(user: str, trace: str, placed: dict[str, int | None], **more: Any) -> Rows:
    """The expose events of one list, as the service writes them."""
    teams = {0: {"team": "mine"}, 1: {"team": "plain"}, None: {}}
    return [
        row(user, trace, "expose", item, position=place, **teams[team], **more)
        for place, (item, team) in enumerate(placed.items(), start=1)
    ]


def simulated(first: Order, second: Order | None, *, people: int, seed: int, searches_each: int = 3) -> Rows:
    """People who look at place k with probability k ** -0.7; without ``second`` both orders are the same list."""
    lot = np.random.default_rng(seed)
    rows: Rows = []
    for person in range(people):
        for number in range(searches_each):
            user, trace = f"u{person}", f"{person}-{number}"
            relevance = lot.beta(0.6, 2.0, 10)
            mine = first(relevance, lot)
            other = second(relevance, lot) if second else mine
            placed = draft(mine, other, random.Random(f"{seed} {trace}"))
            rows += shown(user, trace, placed)
            for place, item in enumerate(placed, start=1):
                if lot.random() < place**-0.7 * relevance[int(item[1:])]:
                    rows.append(row(user, trace, "click", item))
    return rows


def report(rows: Rows, experiment: Experiment = DUEL) -> dict[str, Any]:
    found: dict[str, Any] = judged(searches(rows, "e"), experiment)
    return found


@pytest.mark.parametrize("seed", range(5))
def test_the_better_order_is_named_whichever_arm_it_is(seed: int) -> None:
    good, bad = noisy(0.05), noisy(0.4)
    told = report(simulated(good, bad, people=300, seed=seed))["interleaved"]
    assert (told["winner"], told["verdict"], told["more_searches"]) == ("mine", "mine wins", 0)
    assert 0.5 < told["share"]["low"] < told["share"]["mean"] < told["share"]["high"]
    turned = report(simulated(bad, good, people=300, seed=seed))["interleaved"]
    assert (turned["winner"], turned["wins"]["plain"] > turned["wins"]["mine"]) == ("plain", True)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32), people=st.integers(1, 120), noise=st.floats(0, 2))
def test_arms_that_are_the_same_never_win(seed: int, people: int, noise: float) -> None:
    told = report(simulated(noisy(noise), None, people=people, seed=seed))
    assert told["interleaved"]["winner"] is None
    assert told["interleaved"]["verdict"] == "not enough evidence: the orders were the same in every search"
    assert (told["interleaved"]["differing"], told["mismatch"]["alarm"]) == (0, False)


def test_orders_that_differ_and_are_equally_good_win_no_more_often_than_chance_allows() -> None:
    winners = [
        report(simulated(noisy(0.3), noisy(0.3), people=100, seed=seed))["interleaved"]["winner"] for seed in range(60)
    ]
    assert sum(winner is not None for winner in winners) <= 7  # 5 % of 60, and two deviations more


def test_too_little_says_how_many_searches_more_and_that_many_are_enough() -> None:
    few = report(simulated(noisy(0.1), noisy(0.2), people=25, seed=3))["interleaved"]
    assert few["winner"] is None
    assert few["verdict"] == f"not enough evidence: {few['more_searches']:,} more searches"
    people = 25 + few["more_searches"] // 3
    same = report(simulated(noisy(0.3), noisy(0.3), people=people, seed=4))["interleaved"]
    assert same["more_searches"] <= few["more_searches"] / 4
    better = report(simulated(noisy(0.1), noisy(0.3), people=people, seed=5))["interleaved"]
    assert better["winner"] == "mine"


def test_a_search_is_credited_to_the_team_of_which_more_was_chosen() -> None:
    placed: dict[str, int | None] = {"a": None, "b": 0, "c": 1, "d": 1, "e": 0}
    rows = [
        *shown("u", "1", placed), row("u", "1", "click", "b"), row("u", "1", "like", "b"), row("u", "1", "click", "a"),
        *shown("u", "2", placed), row("u", "2", "click", "b"), row("u", "2", "click", "c"), row("u", "2", "click", "d"),
        *shown("u", "3", placed), row("u", "3", "click", "b"), row("u", "3", "click", "c"),
        *shown("v", "4", placed), row("v", "4", "dislike", "b"), row("v", "4", "click", "c"),
        *shown("x", "5", placed, arm="another"), row("x", "5", "click", "b"),
        row("y", "6", "expose", "a", arm="e/mine", position=1), row("y", "6", "click", "a"),
    ]  # fmt: skip
    told = report(rows)["interleaved"]
    assert (told["people"], told["searches"], told["differing"]) == (2, 4, 4)
    assert (told["wins"], told["ties"]) == ({"mine": 1, "plain": 2}, 1)
    assert told["people_for"] == {"mine": 0, "plain": 1}  # u won one each
    assert told["winner"] is None


def test_one_person_who_searches_all_day_is_one_person() -> None:
    rows: Rows = []
    for number in range(500):
        rows += [*shown("u", f"{number}", {"a": 0, "b": 1}), row("u", f"{number}", "click", "a")]
    told = report(rows)["interleaved"]
    assert (told["wins"]["mine"], told["p"], told["winner"]) == (500, 1.0, None)


def test_teams_that_do_not_come_first_equally_often_raise_an_alarm_and_nothing_is_believed() -> None:
    fair = report(simulated(noisy(0.05), noisy(0.4), people=300, seed=1))
    assert not fair["mismatch"]["alarm"]
    # A process lost every fourth list that the other team had begun.
    lost = simulated(noisy(0.05), noisy(0.4), people=600, seed=2)
    found = searches(lost, "e")
    kept = {name: one for at, (name, one) in enumerate(found.items()) if one.first == "mine" or at % 4}
    told = judged(kept, DUEL)
    assert told["mismatch"]["alarm"]
    assert (told["interleaved"]["winner"], "trust no figure" in told["interleaved"]["verdict"]) == (None, True)


def test_who_asks_the_same_again_and_a_second_page_say_nothing_of_who_comes_first() -> None:
    again = [each for number in range(40) for each in shown("u", f"{number}", {"a": 0, "b": 1}, query="same")]
    assert report(again)["mismatch"]["first"] == {"mine": 1, "plain": 0}
    paged = [{**each, "position": each["position"] + 10} for each in again]
    assert report(paged)["mismatch"]["first"] == {"mine": 0, "plain": 0}


def test_the_report_says_it_in_words() -> None:
    console = Console(record=True, width=400)
    for rows in (simulated(noisy(0.05), noisy(0.4), people=200, seed=1), simulated(noisy(1), None, people=9, seed=1)):
        arms.show({"experiment": "e", "corpus": "c", **report(rows)}, console)
    said = console.export_text()
    assert "mine and plain in one list" in said
    assert "600 searches of 200 people" in said
    assert "mine wins" in said
    assert "not enough evidence: the orders were the same in every search" in said


def test_an_experiment_that_is_over_is_read_by_the_names_in_its_log() -> None:
    rows = simulated(noisy(0.05), noisy(0.4), people=200, seed=1)
    assert report(rows, Experiment(name="e"))["interleaved"]["winner"] == "mine"
