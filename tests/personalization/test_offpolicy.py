"""The estimate from the log: it comes to what the new order would earn, says how sure it is, and when it cannot say."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from searchloom.personalization.difference import Difference
from searchloom.personalization.events import Event
from searchloom.personalization.offpolicy import Choices, Estimate, estimate, examined

DOCS, QUERIES, TASTES = 10, 20, 3
LOOKS = np.arange(1.0, DOCS + 1) ** -0.8


@dataclass(frozen=True)
class World:
    """People of different tastes search; ``relevance[taste, query]`` of ten documents is how often they choose one."""

    relevance: NDArray[np.float64]
    lot: np.random.Generator

    @classmethod
    def made(cls, seed: int) -> World:
        lot = np.random.default_rng(seed)
        return cls(0.8 * lot.beta(0.5, 1.5, (TASTES, QUERIES, DOCS)), lot)

    def places(self, relevance: NDArray[np.float64], noise: float) -> NDArray[np.int64]:
        """Where an order by relevance and so much noise has each document."""
        return np.argsort(np.argsort(-(relevance + noise * self.lot.standard_normal(DOCS))))


@dataclass
class Logged:
    """A log, what two orders would have made of it, and what each of them is truly worth."""

    showings: list[tuple[Event, bool]]
    choices: Choices
    truth: tuple[float, float]
    uncorrected: tuple[float, float]


def logged(seed: int, *, people: int, noises: tuple[float, float, float], each: int = 4) -> Logged:
    """``noises`` of the order that people saw, of the candidate's and of its rival's."""
    world = World.made(seed)
    found = list(_lists(world, people, each, noises))
    rows = [row for _, chosen, _ in found for row in chosen]
    wanted = np.sum([relevance.sum() for _, _, (relevance, *_) in found])
    truth = [sum(float((r * LOOKS[both[side]]).sum()) for *_, (r, *both) in found) / wanted for side in (0, 1)]
    plain = [float(np.mean([LOOKS[row[side]] for row in rows])) for side in (2, 3)]
    showings = [one for shown, *_ in found for one in shown]
    return Logged(showings, Choices.of(rows), (truth[0], truth[1]), (plain[0], plain[1]))


def _lists(
    world: World, people: int, each: int, noises: tuple[float, float, float]
) -> Iterator[tuple[list[tuple[Event, bool]], list[tuple[int, int, int, int]], tuple[NDArray[np.float64], ...]]]:
    for person in range(people):
        for _ in range(each):
            query = int(world.lot.integers(QUERIES))
            relevance = world.relevance[person % TASTES, query]
            old, mine, other = (world.places(relevance, noise) for noise in noises)
            chosen = world.lot.random(DOCS) < relevance * LOOKS[old]
            shown = [
                (
                    Event(f"u{person}", f"d{doc}", "expose", 0.0, position=int(old[doc]) + 1, query=f"q{query}"),
                    bool(yes),
                )
                for doc, yes in enumerate(chosen.tolist())
            ]
            rows = [(person, int(old[doc]), int(mine[doc]), int(other[doc])) for doc in np.flatnonzero(chosen)]
            yield shown, rows, (relevance, mine, other)


@pytest.mark.parametrize("noises", [(0.6, 0.1, 0.6), (0.6, 0.6, 0.1), (0.3, 0.1, 0.3), (3.0, 0.2, 0.4)])
def test_the_estimate_comes_to_the_truth_within_its_interval_and_names_the_better_order(
    noises: tuple[float, float, float],
) -> None:
    within, verdicts = 0, []
    for seed in range(20):
        log = logged(seed, people=300, noises=noises)
        found = estimate(log.choices, examined(log.showings))
        within += found.low <= log.truth[0] - log.truth[1] <= found.high
        verdicts.append(found.verdict)
    assert within >= 17
    assert set(verdicts) == {"better" if noises[1] < noises[2] else "worse"}


def test_without_the_places_taken_out_the_order_that_people_saw_would_look_best() -> None:
    # The old order is hardly better than none, the candidate is good, and people choose what stands on top.
    log = logged(3, people=400, noises=(1.5, 0.1, 1.5))
    found = estimate(log.choices, examined(log.showings))
    looked = np.mean(LOOKS[log.choices.logged])
    assert looked > log.uncorrected[0]  # as if the old order were better
    assert found.candidate > found.logged + 0.1


def test_orders_that_are_as_good_are_not_enough_evidence_and_the_same_one_never_is() -> None:
    verdicts = []
    for seed in range(20):
        log = logged(seed, people=200, noises=(0.5, 0.2, 0.2))
        seen = examined(log.showings)
        verdicts.append(estimate(log.choices, seen).verdict)
        same = Choices(log.choices.person, log.choices.logged, log.choices.candidate, log.choices.candidate)
        found = estimate(same, seen)
        assert (found.low, found.high, found.verdict) == (0.0, 0.0, "not enough evidence")
    assert verdicts.count("not enough evidence") >= 18


def test_too_few_people_are_no_estimate_and_it_is_said() -> None:
    few = logged(1, people=12, noises=(0.6, 0.1, 0.6), each=40)
    found = estimate(few.choices, examined(few.showings))
    assert found.effective <= 12
    assert found.verdict == "not enough evidence"
    assert found.told("clicks") == (
        f"no estimate of clicks from the log (effective sample {found.effective:.0f} people, 30 are needed)"
    )
    # A thousand people of whom one made nearly all the choices are worth little more than one.
    person = np.concatenate([np.arange(1000), np.full(20_000, 7)])
    place = np.zeros(len(person), np.int64)
    assert estimate(Choices(person, place, place, place), np.ones(50)).effective < 2
    nobody = estimate(Choices.of([]), examined([]))
    assert (nobody.persons, nobody.verdict, nobody.told("clicks")[:11]) == (0, "not enough evidence", "no estimate")


def test_what_stands_on_the_card_says_what_it_rests_on() -> None:
    found = Estimate(200, 0.5, 0.4, 0.05, 0.15, logged=0.41, effective=150.0)
    assert found.verdict == "better"
    assert found.figures("clicks") == {
        "clicks.persons": 200.0, "clicks.candidate": 0.5, "clicks.rival": 0.4, "clicks.low": 0.05, "clicks.high": 0.15,
        "clicks.logged": 0.41, "clicks.effective": 150.0,
    }  # fmt: skip
    assert "0.500 against 0.400 (+0.050 to +0.150, effective sample 150 people)" in found.told("clicks")
    assert Difference(200, 0.5, 0.4, 0.05, 0.15).told("searches").startswith("searches nDCG@10 0.500 against 0.400")
