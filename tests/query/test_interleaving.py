"""Interleaved searches: two orders in one list, the same on every page and in every process, and who placed what."""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from searchloom.cloud.oss import Oss
from searchloom.engines.fusion import Ranked
from searchloom.engines.interface import Access, Hit
from searchloom.evaluation import arms
from searchloom.query.auth import Caller
from searchloom.query.interleaving import Duel, draft
from searchloom.query.personal import Ordered
from searchloom.query.schemas import SearchRequest
from searchloom.query.tokens import sign
from searchloom.settings import Arm, Events, Experiment, Settings
from tests.query.collection import CORPUS
from tests.query.conftest import running
from tests.query.events.test_events_api import copied_release, logged
from tests.query.test_order import Liking, with_order
from tests.query.test_search import names, search

ARMS = {"mine": Arm(), "plain": Arm(personalize=False)}
DUEL = Experiment(name="duel", arms=ARMS, interleaved=True)

_orders = st.integers(1, 12).flatmap(
    lambda size: st.tuples(*[st.permutations([f"d{number}" for number in range(size)])] * 2)
)


@given(_orders, st.integers())
def test_each_team_places_its_best_that_is_not_there_yet(orders: tuple[list[str], list[str]], coin: int) -> None:
    placed = draft(*orders, random.Random(coin))
    assert sorted(placed) == sorted(orders[0])
    there: set[str] = set()
    sizes = [0, 0]
    for item, team in placed.items():
        best = [next(one for one in order if one not in there) for order in orders]
        assert item == best[team or 0]
        if team is None:
            assert best[0] == best[1]
        else:
            sizes[team] += 1
        assert abs(sizes[0] - sizes[1]) <= 1
        there.add(item)


@given(_orders, st.integers())
def test_neither_arm_is_favoured(orders: tuple[list[str], list[str]], coin: int) -> None:
    assert all(team is None for team in draft(orders[0], orders[0], random.Random(coin)).values())
    # What a document's team is does not hang on the coin, which says only who begins.
    teams = [draft(*orders, random.Random(number)) for number in (coin, coin + 1)]
    assert teams[0] == teams[1]
    turned = draft(orders[1], orders[0], random.Random(coin))
    assert {item: None if team is None else 1 - team for item, team in turned.items()} == teams[0]


def seed(request: SearchRequest, caller: Caller) -> bytes:
    duel = Duel.of(DUEL, request, caller)
    assert duel
    return duel.seed


def test_the_coin_is_fair_and_the_same_for_all_pages_of_a_search() -> None:
    request = SearchRequest(query="table", k=10)
    callers = [Caller(f"user-{number}", Access("t")) for number in range(2000)]
    seeds = [seed(request, one) for one in callers]
    firsts = [next(iter(draft("ab", "ba", random.Random(each)).values())) for each in seeds]
    assert firsts.count(0) == pytest.approx(1000, abs=100)
    next_page = request.model_copy(update={"offset": 10, "k": 5, "explain": True})
    assert [seed(next_page, one) for one in callers] == seeds
    assert seed(request.model_copy(update={"query": "tables"}), callers[0]) != seeds[0]
    assert Duel.of(Experiment(name="split", arms=ARMS), request, callers[0]) is None


async def test_an_arm_without_the_reranker_places_in_the_order_that_was_before_it() -> None:
    fused = [Ranked(name, 1 - at / 10, Hit(name, name, 0.0, {}, ""), None, None) for at, name in enumerate("abcd")]
    read = [fused[2], fused[1], fused[0]]  # a load has deleted d meanwhile
    asked: list[Sequence[Ranked]] = []

    async def ordered(ranked: Sequence[Ranked]) -> Ordered:
        asked.append(ranked)
        return Ordered(ranked)

    for second, placed in ((Arm(rerank=False), {"c": "read", "a": "unread"}), (Arm(), {})):
        asked.clear()
        one = await Duel(["read", "unread"], [Arm(), second], b"seed").drafted(fused, read, ordered)
        assert one.teams == placed
        assert sorted(each.doc_id for each in one.ranked) == ["a", "b", "c"]
        assert one.ranked[2 if placed else 1].doc_id == "b"
        assert len(asked) == 1 + bool(placed)  # arms that want the same ask once


@pytest.mark.parametrize(
    ("arms_", "why"),
    [
        ({}, "has 0"),
        ({**ARMS, "third": Arm()}, "has 3"),
        ({"mine": Arm(share=3), "plain": Arm(share=1)}, "different shares"),
    ],
)
def test_an_interleaved_experiment_takes_two_arms_for_everybody(arms_: dict[str, Arm], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        Experiment(name="duel", arms=arms_, interleaved=True)


@pytest.fixture
def own(served: Settings, tmp_path: Path) -> Settings:
    """The same service with a log of its own, where both orders are held against each other."""
    changed = served.model_copy(
        update={
            "state": tmp_path,
            "events": Events(upload_s=0.2),
            "experiment": DUEL,
            "oss": served.oss.model_copy(update={"bucket": f"duel-{uuid.uuid4().hex[:8]}"}),
        }
    )
    Oss(changed.oss).ensure_bucket()
    copied_release(served, changed)
    return changed


@pytest.fixture
def duelling(own: Settings) -> Iterator[TestClient]:
    with running(own) as client:
        yield client


def test_pages_are_cut_out_of_one_list_and_the_head_is_of_both_orders(
    duelling: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = search(duelling, "table", k=100, personalize=False)
    last = plain["results"][-1]["doc_id"]
    with_order(duelling, Liking({"tester": {last}}), monkeypatch)
    whole = search(duelling, "table", k=100, explain=True)
    assert whole["arm"] == "duel"
    assert {one["doc_id"] for one in whole["results"][:2]} == {last, plain["results"][0]["doc_id"]}
    assert sorted(names(whole)) == sorted(names(plain))
    scores = [one["score"] for one in whole["results"]]
    assert scores == sorted(scores, reverse=True)
    by_offset = [search(duelling, "table", k=2, offset=at) for at in range(0, len(scores), 2)]
    assert [name for page in by_offset for name in names(page)] == names(whole)
    by_token = [search(duelling, "table", k=2)]
    while token := by_token[-1]["next_page"]:
        by_token.append(search(duelling, "table", k=2, page_token=token))
    assert [name for page in by_token for name in names(page)] == names(whole)
    assert not any("team" in one for one in whole["results"])  # nobody is to see it
    assert names(search(duelling, "table", k=100, personalize=False)) == names(plain)


def test_an_order_that_is_down_makes_both_the_same(duelling: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = search(duelling, "table", k=100, personalize=False)
    with_order(duelling, Liking({}, trouble="down"), monkeypatch)
    answer = search(duelling, "table", k=100)
    assert (answer["degraded"], names(answer)) == (["personal"], names(plain))


def test_who_placed_what_is_logged_and_what_people_choose_names_the_winner(
    own: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = [f"person-{number}" for number in range(12)]
    with running(own) as client:
        documents = [one["doc_id"] for one in search(client, "table", k=100, record=False)["results"]]
        with_order(client, Liking({name: {documents[-1]} for name in people}), monkeypatch)
        for name in people:
            headers = {"Authorization": f"Bearer {sign(own, user=name)}"}
            answer = search(client, "table", headers=headers)
            click = {"event_id": uuid.uuid4().hex, "type": "click", "item_id": documents[-1], "corpus": CORPUS,
                     "trace_id": answer["trace_id"], "arm": answer["arm"]}  # fmt: skip
            sent = client.post("/v1/events", json={"events": [click]}, headers=headers)
            assert sent.json()["accepted"] == 1
        search(client, "table")  # a stranger: both orders are the same
    lines = [line for line in logged(Oss(own.oss)) if line["type"] == "expose"]
    assert {line["arm"] for line in lines} == {"duel"}
    assert {line.get("team") for line in lines if line["user_id"] == "tester"} == {None}
    teams = {(line["item_id"], line.get("team")) for line in lines if line["user_id"] in people}
    placed = {documents[-1]: "mine", documents[0]: "plain"}
    assert teams == {(item, placed.get(item)) for item in documents}
    assert {line["position"] for line in lines if line.get("team")} == {1, 2}
    told = arms.evaluate(Oss(own.oss), CORPUS, DUEL, days=2)
    assert told["interleaved"]["winner"] == "mine"
    assert (told["interleaved"]["people"], told["interleaved"]["differing"]) == (13, 12)
    assert not told["mismatch"]["alarm"]
    over = arms.evaluate(Oss(own.oss), CORPUS, Experiment(name="duel", arms=ARMS), days=2)
    assert over == told  # whatever the settings say now
