"""A sync that is throttled, refused, cut off or killed ends with a difference of zero."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from searchloom.behaviour.sync import push
from searchloom.errors import ServiceUnavailable, Terminal
from tests.behaviour.world import World, differences

NOTHING = {"item": 0, "user": 0, "behavior": 0}
SPOILED = "ali:\0"
"""A trace that AIRec refuses by a rule of its own."""


def test_throttling_is_waited_for_and_nothing_is_sent_twice(world: World) -> None:
    (document,) = world.documents(1)
    world.log(*(world.event(document) for _ in range(5)))
    planned = world.plan()
    world.fault("429", count=2)
    assert world.push(planned)["behavior"]["accepted"] == 5
    assert differences(world.reconcile(planned)) == NOTHING
    assert len(world.behaviour()) == 5


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(spoiled=st.sets(st.integers(0, 39), max_size=4))
def test_the_rows_that_airec_refuses_are_found_and_all_others_are_taken(world: World, spoiled: set[int]) -> None:
    if not world.runs.manifest().seq:
        world.documents(1)
        world.sync()
    (document,) = (row["doc_id"] for row in world.runs.rows().values())
    before = len(world.behaviour())
    events = [world.event(document, trace_id=SPOILED if n in spoiled else None) for n in range(40)]
    world.log(*events)
    planned = world.plan()
    pushed = world.push(planned)
    if spoiled:
        with pytest.raises(Terminal, match=f"AIRec refused {len(spoiled)} rows of behavior"):
            world.reconcile(planned)
    assert (pushed["behavior"]["refused"], len(world.behaviour()) - before) == (len(spoiled), 40 - len(spoiled))
    refused = {one["source"]["event_id"] for one in world.dead() if one["by"] == "airec"}
    assert {events[n]["event_id"] for n in spoiled} <= refused
    assert all("must be a string" in one["reason"] for one in world.dead())
    assert world.sync()["tables"]["behavior"]["wanted"] == 0


def test_a_service_that_goes_away_is_red_with_a_report_and_a_retry_sends_only_the_rest(world: World) -> None:
    (document,) = world.documents(1)
    world.sync()
    world.log(*(world.event(document) for _ in range(1700)))
    planned = world.plan()
    world.fault("slow", count=2)  # the users' request and the first of behaviour are answered
    world.fault("503")
    with pytest.raises(ServiceUnavailable):
        world.push(planned)
    assert len(world.behaviour()) == 800
    with pytest.raises(Terminal, match="900 rows of behavior did not reach AIRec"):
        world.reconcile(planned)
    world.push(planned)
    report = world.reconcile(planned)
    assert (differences(report), report["tables"]["behavior"]["in_doubt"]) == (NOTHING, 800)
    assert len(world.behaviour()) == 1700


def test_what_a_broken_run_left_is_taken_over_by_the_next_one_and_the_broken_one_stops(world: World) -> None:
    documents = world.documents(2)
    world.log(*(world.event(documents[0], user=f"u{n}") for n in range(900)), world.event("nowhere"))
    broken = world.plan()
    world.fault("slow", count=4)  # items, users (two requests), the first of behaviour
    world.fault("503")
    with pytest.raises(ServiceUnavailable):
        world.push(broken)
    report = world.sync()
    assert {table: balance["wanted"] for table, balance in report["tables"].items()} == {
        "item": 0, "user": 0, "behavior": 100,
    }  # fmt: skip
    assert len(world.behaviour()) == 900
    assert [one["reason"] for one in world.dead()] == [
        f"its tenant has no document 'nowhere' in corpus {world.corpus!r}"
    ]
    assert all(counts["taken_over"] for counts in world.push(broken).values() if counts["table"] == "behavior")
    assert world.reconcile(broken)["red"] == ""
    assert len(world.behaviour()) == 900


def test_tasks_of_a_run_that_has_ended_may_be_cleared(world: World) -> None:
    (document,) = world.documents(1)
    world.log(world.event(document))
    planned = world.plan()
    world.push(planned)
    report = world.reconcile(planned)
    assert {table: counts["taken_over"] for table, counts in world.push(planned).items()} == {
        "item": True, "user": True, "behavior": True,
    }  # fmt: skip
    assert world.reconcile(planned) == report
    assert len(world.behaviour()) == 1


def test_an_answer_that_got_lost_is_counted_as_in_doubt(world: World) -> None:
    (document,) = world.documents(1)
    world.sync()
    world.log(*(world.event(document) for _ in range(3)))
    planned = world.plan()
    world.fault("slow")
    world.fault("lost_answer")
    with pytest.raises(ServiceUnavailable):
        world.push(planned)
    world.push(planned)
    report = world.reconcile(planned)
    assert (differences(report), report["tables"]["behavior"]["in_doubt"]) == (NOTHING, 3)
    lines = [tuple(sorted(row.items())) for row in world.behaviour()]
    assert len(set(lines)) == 3  # AIRec may hold them twice, but always the same


def test_users_that_airec_was_not_told_of_are_told_by_the_next_run(world: World) -> None:
    (document,) = world.documents(1)
    world.log(world.event(document))
    planned = world.plan()
    push(world.oss, world.airec, plan=planned, table="behavior")
    with pytest.raises(Terminal, match="1 rows of item, 1 rows of user did not reach"):
        world.reconcile(planned)
    world.sync()
    assert set(world.told("user")) == {"default/ann"}
    assert len(world.behaviour()) == 1


@pytest.mark.parametrize(("moment", "held"), [("before", 800), ("after", 1600)])
def test_a_sync_that_is_killed_between_requests_goes_on_there(world: World, moment: str, held: int) -> None:
    (document,) = world.documents(1)
    world.sync()
    world.log(*(world.event(document) for _ in range(2000)))
    done = subprocess.run(
        [sys.executable, "-m", "tests.behaviour.dying", world.corpus, moment, "3"],
        env=world.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr[-2000:]
    assert len(world.behaviour()) == held
    report = world.sync()
    assert differences(report) == NOTHING
    assert report["tables"]["behavior"]["wanted"] == 1200
    doubled = len(world.behaviour()) - 2000
    assert doubled == (800 if moment == "after" else 0)  # killed before it could note the answer
    assert world.sync()["tables"]["behavior"]["wanted"] == 0
