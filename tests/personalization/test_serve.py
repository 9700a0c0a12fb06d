"""What is served: each person's own order, sensible lists for strangers, light imports."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from searchloom.personalization import trial
from searchloom.personalization.catalog import Catalog
from searchloom.personalization.events import log_of
from searchloom.personalization.features import Context, features
from searchloom.personalization.groups import Queries
from searchloom.personalization.model import Recall
from searchloom.personalization.person import Person
from searchloom.personalization.ranker import Group
from searchloom.personalization.replay import own_time, person_of
from searchloom.personalization.serve import Candidate, Personal
from tests.personalization.behaviour import DAY, TASTES, small


@pytest.fixture(scope="module")
def learned() -> trial.Learned:
    log, catalog = small(persons=200)
    before = own_time(log, trial.SHARE)
    queries = Queries.of(catalog.items, lambda _: np.zeros(len(catalog.items)))
    return trial.learned(log.only(before), log.only(~before), catalog, queries, sizes=trial.Sizes())


@pytest.fixture(scope="module")
def personal(learned: trial.Learned) -> Personal:
    return Personal(learned.model, learned.searcher, learned.ranker, learned.plain)


def now(learned: trial.Learned) -> float:
    return float(learned.before.time.max()) + DAY


def test_two_persons_get_the_same_hits_in_their_own_order(learned: trial.Learned, personal: Personal) -> None:
    hits = [Candidate(f"item-{number}", 1.0 - number / 1000) for number in range(40)]
    tops = []
    for user in (0, 1):
        placed = personal.order(person_of(learned.before, learned.model, user), hits, now(learned))
        assert {each.item_id for each in placed} == {each.item_id for each in hits}
        tops.append([int(each.item_id.removeprefix("item-")) % 4 for each in placed[:8]])
        assert all(0 <= each.share <= 1 for each in placed)
    assert tops[0].count(0) > 4
    assert tops[1].count(1) > 4


def test_a_search_that_was_logged_is_judged_in_the_order_in_which_it_would_be_served(
    learned: trial.Learned, personal: Personal
) -> None:
    hits = [Candidate(f"item-{number}", 1.0 - number / 50) for number in range(40)]
    relevance = np.array([each.relevance for each in hits])
    rows = learned.model.rows_of([each.item_id for each in hits])
    moved = 0
    for person in (Person(), *(person_of(learned.before, learned.model, user) for user in range(8))):
        lines = features(Recall.of(learned.model, person), person, rows, Context(now(learned)))
        group = Group(0, rows, lines, np.zeros(40, np.int32), relevance, np.arange(40), person.events)
        served = [each.item_id for each in personal.order(person, hits, now(learned))]
        assert [hits[place].item_id for place in personal.replayed(group)] == served
        moved += served != [each.item_id for each in hits]
    assert moved == 8


def test_a_stranger_gets_the_plain_order_and_no_hits_give_no_order(learned: trial.Learned, personal: Personal) -> None:
    hits = [Candidate(f"item-{number}", float(number)) for number in (3, 9, 5)]
    placed = personal.order(Person(), hits, now(learned))
    assert [(each.item_id, each.share, each.reason) for each in placed] == [
        (f"item-{number}", 0.0, "query") for number in (9, 5, 3)
    ]
    assert personal.order(Person(), [], now(learned)) == []


def test_documents_that_are_newer_than_the_model_take_part(learned: trial.Learned, personal: Personal) -> None:
    hits = [Candidate("written-today", 9.0), *(Candidate(f"item-{number}", 1.0) for number in range(6))]
    placed = personal.order(person_of(learned.before, learned.model, 0), hits, now(learned))
    assert "written-today" in [each.item_id for each in placed[:3]]


def test_an_irrelevant_favourite_is_not_lifted_into_the_first_three(learned: trial.Learned, personal: Personal) -> None:
    person = person_of(learned.before, learned.model, 0)
    hits = [Candidate(f"item-{number}", 10.0) for number in (1, 2, 3, 5)] + [Candidate("item-0", 0.1)]
    assert "item-0" not in [each.item_id for each in personal.order(person, hits, now(learned))[:3]]


def test_lists_hold_nothing_that_was_seen_and_fit_the_person(learned: trial.Learned, personal: Personal) -> None:
    person = person_of(learned.before, learned.model, 2)
    placed = personal.recommend(person, 10, now(learned), variety=0.0)
    assert len({each.item_id for each in placed}) == len(placed) == 10
    assert not {each.item_id for each in placed} & set(person.items)
    kinds = [TASTES[int(each.item_id.removeprefix("item-")) % 4] for each in placed]
    assert kinds.count("sea") >= 6
    assert all(each.reason for each in placed)
    only = personal.recommend(person, 10, now(learned), wanted=["item-1", "item-5", "nobody"])
    assert {each.item_id for each in only} <= {"item-1", "item-5"}


def test_a_stranger_gets_what_is_popular_with_variety(learned: trial.Learned, personal: Personal) -> None:
    placed = personal.recommend(Person(), 10, now(learned))
    places = learned.model.rows_of([each.item_id for each in placed])
    assert np.median(learned.model.total[places]) > np.quantile(learned.model.total, 0.7)
    assert len({int(each.item_id.removeprefix("item-")) % 4 for each in placed}) >= 3


def test_one_event_is_enough_for_another_list(learned: trial.Learned, personal: Personal) -> None:
    person = Person()
    person.remember("item-3", now(learned) - 60, 1.0, *learned.model.about("item-3"))
    stranger = {each.item_id for each in personal.recommend(Person(), 10, now(learned))}
    assert {each.item_id for each in personal.recommend(person, 10, now(learned))} != stranger


def test_a_new_item_is_tried_by_those_who_like_its_kind(tmp_path: Path) -> None:
    log, catalog = small(persons=80)
    rest = log.only(log.item >= 4)  # nobody ever dealt with the first item of each taste
    model = trial.fit(rest, Catalog(catalog.items, catalog.vectors))
    empty = trial.learn([])
    personal = Personal(model, empty, empty, "ease")
    personal.save(tmp_path)
    served = Personal.load(tmp_path)
    moment = float(log.time.max()) + DAY
    right = 0
    for user in range(40):
        placed = served.recommend(person_of(rest, model, user), 10, moment)
        tried = [each.item_id for each in placed if each.reason == "new"]
        assert len(tried) == 1
        right += tried == [f"item-{user % 4}"]
    assert right > 30


def test_an_empty_log_serves_nothing_and_breaks_nothing() -> None:
    log, catalog = log_of([], []), Catalog([], np.zeros((0, 1), np.float32))
    empty = trial.learn([])
    personal = Personal(trial.fit(log, catalog), empty, empty, "ease")
    assert personal.recommend(Person(), 10, 0.0) == []
    assert [each.item_id for each in personal.order(Person(), [Candidate("x", 1.0)], 0.0)] == ["x"]


def test_serving_needs_no_heavy_library() -> None:
    code = (
        "import sys; import searchloom.personalization.serve, searchloom.personalization.store\n"
        "heavy = {'pandas', 'torch', 'scipy', 'lightgbm', 'implicit', 'sklearn', 'pyarrow'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
