"""Lists that were shown become groups: the person as he was then, the clicks that came of it, the places."""

from __future__ import annotations

import numpy as np

from searchloom.personalization.events import Event
from searchloom.personalization.exposures import shown
from searchloom.personalization.features import FEATURES
from searchloom.personalization.fit import click_rates, fit
from searchloom.personalization.ranker import Training, learn
from tests.personalization.behaviour import BEGIN, DAY, small

LATER = BEGIN + 100 * DAY


def lists(persons: int = 90) -> list[Event]:
    """Each person is shown two lists of twelve and clicks on what is of his taste, if he looks so far down."""
    generator = np.random.default_rng(9)
    found = []
    for person in range(persons):
        for number in range(2):
            moment = LATER + number * DAY + person
            for position, item in enumerate(generator.choice(120, 12, replace=False).tolist(), start=1):
                about = (f"user-{person}", f"item-{item}")
                trace = f"t{person}-{number}"
                found.append(Event(*about, "expose", moment, position=position, trace_id=trace))
                looks = generator.random() < 1 / position**0.5
                if item % 4 == person % 4 and looks:
                    found.append(Event(*about, "click", moment + 30, trace_id=trace))
    return found


def test_a_list_knows_its_places_and_its_clicks_and_the_person_of_before_alone() -> None:
    log, catalog = small(persons=90)
    model = fit(log, catalog)
    everything = lists()
    groups = list(shown(everything, model))
    assert len(groups) == 180
    assert all(group.positions is not None and sorted(group.positions) == list(range(12)) for group in groups)
    clicks = sum(event.type == "click" for event in everything)
    assert sum(int(group.labels.sum()) for group in groups) == clicks
    activity = FEATURES.index("activity")
    assert {float(group.lines[0, activity]) for group in groups[:90]} == {0.0}  # before the first click of anybody
    # What happens after a list changes nothing in it but the labels.
    cut = [event for event in everything if event.time < LATER + DAY / 2]
    for group, again in zip(groups, shown(cut, model), strict=False):
        assert np.array_equal(group.lines, again.lines, equal_nan=True)


def test_a_ranker_learns_from_lists_with_their_places() -> None:
    log, catalog = small(persons=90)
    groups = list(shown(lists(), fit(log, catalog)))
    assert learn(groups, training=Training(trees=20, least_in_leaf=20)).evidence.groups > 100


def test_an_item_that_did_well_at_the_bottom_is_worth_more_than_one_that_did_so_on_top() -> None:
    log, _ = small(persons=40)
    exposes = [
        Event(f"user-{n}", f"item-{n % 40}", "expose", LATER, position=1 if n % 40 < 20 else 10) for n in range(2000)
    ]
    rest = log.only(np.zeros(len(log), bool))
    clicked = rest.items.index("item-30"), rest.items.index("item-3")
    # Places on top draw twenty clicks each, those below four, and these two items ten.
    counts = {n: 20 if n < 20 else 4 for n in range(40)} | {30: 10, 3: 10}
    item = np.repeat(list(counts), list(counts.values())).astype(np.int32)
    some = type(rest)(
        rest.users, rest.items, np.zeros(len(item), np.int32), item, np.zeros(len(item)), np.ones(len(item), np.float32)
    )
    shown_, rate = click_rates(some, exposes)
    assert shown_[:40].tolist() == [50] * 40
    assert rate[clicked[0]] > 1 > rate[clicked[1]]
