"""Documents, people and behaviour reach AIRec once, in its words; the vendor's own client is the judge."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from alibabacloud_airec20201126 import models
from alibabacloud_airec20201126.client import Client

from searchloom.cloud.airec_names import scope, user_key
from searchloom.cloud.airec_rows import recommend_query
from searchloom.errors import Terminal
from searchloom.personalization.events import EMPTY
from searchloom.personalization.privacy import erase
from tests.behaviour.world import NOW, World, differences

NOTHING = {"item": 0, "user": 0, "behavior": 0}


def wanted(report: dict[str, dict[str, dict[str, int]]]) -> dict[str, int]:
    return {table: balance["wanted"] for table, balance in report["tables"].items()}


def test_what_is_new_is_sent_in_airecs_words_and_a_second_sync_sends_nothing(world: World) -> None:
    first, second = world.documents(2)
    trace = "ali:1007.airec.home.1"
    shown = world.event(first, kind="expose", position=3, trace_id=trace, scene="home")
    read = world.event(first, kind="dwell", value=12.6, trace_id=trace)
    world.log(shown, read, world.event(second, user="bob", trace_id="5f0c"))
    report = world.sync()
    assert (wanted(report), differences(report)) == ({"item": 2, "user": 2, "behavior": 3}, NOTHING)
    item = world.told("item")[first]
    assert (item["title"], item["status"], item["scene_id"]) == ("Guide 0", "1", world.airec.scene_id)
    assert (item["category_path"], item["category_level"]) == (f"{world.corpus}_guides_default", "3")
    assert item["tags"].startswith(f"corpus-{world.corpus},tenant-default,lang-en")
    assert "Text of guide 0" in item["content"]
    assert item["pub_time"].isdecimal()
    assert set(world.told("user")) == {user_key("default", "ann"), user_key("default", "bob")}
    one, two, three = world.behaviour()
    assert (one["bhv_type"], one["position"], one["page_id"]) == ("expose", "3", "home")
    assert (one["trace_id"], one["trace_info"]) == ("ali", "1007.airec.home.1")
    assert (two["bhv_type"], two["bhv_value"]) == ("stay", "12.600")
    assert (three["trace_id"], "trace_info" in three) == ("selfhold", False)
    assert wanted(world.sync()) == NOTHING
    assert len(world.behaviour()) == 3


def test_the_vendors_client_gets_recommendations_of_what_was_synced(world: World, client: Client) -> None:
    first, second = world.documents(2)
    (other,) = world.documents(1, tenant="acme")
    both = [world.event(item, user=f"u{n}") for n in range(4) for item in (first, second)]
    world.log(*both)
    world.sync()
    query = recommend_query(
        user_id=user_key("default", "new"),
        scene_id=world.airec.scene_id,
        count=5,
        items=[(first, "article")],
        filters=scope("default", world.corpus),
    )
    asked = models.RecommendRequest(
        user_id=query["userId"],
        scene_id=query["sceneId"],
        return_count=5,
        items=query["items"],
        filter=query["filter"],
    )
    found = [one.item_id for one in client.recommend(world.instance, asked).body.result]
    assert found == [second]
    assert other not in found


def test_only_what_changed_is_sent_and_what_is_gone_is_taken_out(world: World) -> None:
    documents = world.documents(3)
    world.sync()
    world.runs.put({"guides/default/0.md": "# Another title\n\nAnother text."})
    world.runs.remove("guides/default/1.md")
    world.runs.put({"guides/default/2.md": b"\x00\xff\xfe\x00broken"})
    world.runs.run(allow_deletes=True)
    report = world.sync()
    held = world.told("item")
    assert held[documents[0]]["title"] == "Another title"
    assert set(held) == {row["doc_id"] for row in world.runs.rows().values() if row["state"] == "active"}
    assert wanted(report)["item"] == 3
    assert wanted(world.sync(full=True))["item"] >= 1


def test_the_same_event_counts_once_however_often_it_is_in_the_log(world: World) -> None:
    (document,) = world.documents(1)
    event = world.event(document)
    world.log(event, event)
    world.log(event, world.event(document))
    world.sync()
    later = (NOW + timedelta(minutes=1)).isoformat()
    world.log({**event, "time": later}, day=later[:10])
    report = world.sync()
    assert len(world.behaviour()) == 2
    assert (wanted(report)["behavior"], report["counts"]["events sent before"]) == (0, 1)


def test_an_event_of_another_corpus_is_left_to_its_own_sync(world: World) -> None:
    (document,) = world.documents(1)
    world.log(world.event(document, corpus="elsewhere"))
    assert wanted(world.sync())["behavior"] == 0
    assert world.dead() == []


def test_events_that_come_days_late_are_found_and_an_hours_run_leaves_what_came_after_it(world: World) -> None:
    (document,) = world.documents(1)
    world.sync()
    late = world.event(document, moment=NOW - timedelta(days=9))
    world.log(late)
    modified = max(info.last_modified for info in world.oss.list("events/"))
    assert wanted(world.sync(before=modified))["behavior"] == 0
    assert wanted(world.sync(before=modified + timedelta(seconds=1)))["behavior"] == 1
    old = world.event(document, moment=NOW - timedelta(days=90))
    world.log(old)
    assert wanted(world.sync(before=modified + timedelta(days=1)))["behavior"] == 0
    assert wanted(world.sync())["behavior"] == 1
    assert [int(row["bhv_time"]) for row in world.behaviour()] == [
        int((NOW - timedelta(days=age)).timestamp()) for age in (9, 90)
    ]


def test_a_clock_that_is_ahead_is_put_right_and_one_that_is_far_ahead_is_refused(world: World) -> None:
    (document,) = world.documents(1)
    world.log(world.event(document, moment=NOW + timedelta(minutes=30)), day=NOW.date().isoformat())
    world.log(world.event(document, moment=NOW + timedelta(days=3)), day=NOW.date().isoformat())
    report = world.sync()
    (row,) = world.behaviour()
    assert int(row["bhv_time"]) < (NOW + timedelta(minutes=25)).timestamp()
    (dead,) = world.dead()
    assert "lies in the future" in dead["reason"]
    assert report["tables"]["behavior"]["unfit"] == 1


def test_events_about_unknown_documents_are_dead_letters_until_a_replay_finds_the_documents(world: World) -> None:
    (document,) = world.documents(1)
    unknown = world.event("guides/default/1.md")
    foreign = world.event(document, tenant="acme")
    world.log(world.event(document), unknown, foreign, {**unknown, "event_id": ""})
    world.oss.put(f"events/dt={unknown['time'][:10]}/broken.jsonl", b'{broken\n[]\n{"corpus": "\\ud800"}\n')
    report = world.sync()
    assert (report["tables"]["behavior"]["unfit"], report["counts"]["lines that are no events"]) == (3, 3)
    reasons = sorted(one["reason"] for one in world.dead())
    assert reasons[0] == "it has no event_id"
    assert [reason for reason in reasons if "has no document" in reason] == reasons[1:] != []
    assert len(world.behaviour()) == 1
    world.documents(2)  # now the corpus has it, under the name that the customer gave it
    assert wanted(world.sync())["behavior"] == 0
    assert wanted(world.sync(replay=True))["behavior"] == 1
    assert [one["source"]["event_id"] for one in world.dead()] == [foreign["event_id"], ""]
    world.sync(replay=True)
    assert (len(world.behaviour()), len(world.dead())) == (2, 2)


def test_searches_that_found_nothing_are_no_behaviour_of_airecs(world: World) -> None:
    world.documents(1)
    world.log(world.event("-", kind=EMPTY))
    report = world.sync()
    assert (world.behaviour(), world.dead(), differences(report)) == ([], [], NOTHING)


def test_a_person_who_is_erased_between_plan_and_push_is_not_sent_and_leaves_airec(world: World) -> None:
    (document,) = world.documents(1)
    world.log(world.event(document), world.event(document, user="bob"))
    world.sync()
    world.log(world.event(document), world.event(document, user="bob"), world.event("nowhere"))
    planned = world.plan()
    erase(world.oss, "ann")
    pushed = world.push(planned)
    report = world.reconcile(planned)
    assert (pushed["behavior"]["left_out"], differences(report)) == (1, NOTHING)
    assert [row["user_id"] for row in world.behaviour()].count("default/ann") == 1
    report = world.sync()
    assert set(world.told("user")) == {"default/bob"}
    assert differences(report) == NOTHING
    kept = [info.key for prefix in ("airec/", "runs/airec/", "dead_letters/") for info in world.oss.list(prefix)]
    assert not [key for key in kept if b'"ann"' in world.oss.get(key) or b"default/ann" in world.oss.get(key)]
    world.log(world.event(document, moment=NOW - timedelta(hours=1)))  # from a spool that was uploaded late
    assert wanted(world.sync())["behavior"] == 0


def test_a_person_who_comes_back_after_the_erasure_is_a_new_one(world: World) -> None:
    (document,) = world.documents(1)
    world.log(world.event(document, moment=NOW - timedelta(days=2)))
    world.sync()
    erase(world.oss, "ann")
    world.sync()
    assert world.told("user") == {}
    (mark,) = world.oss.list("privacy/erased/")
    world.oss.put_json(mark.key, {"time": (NOW - timedelta(hours=1)).timestamp()})  # as if it were an hour ago
    world.log(world.event(document, moment=NOW - timedelta(minutes=50)))
    world.sync()
    assert int(world.told("user")["default/ann"]["register_time"]) == int((NOW - timedelta(minutes=50)).timestamp())


@pytest.mark.parametrize("minutes", [4, 50, 90])
def test_an_event_whose_clock_is_ahead_does_not_outlive_an_erasure(world: World, minutes: int) -> None:
    (document,) = world.documents(1)
    world.sync()
    erase(world.oss, "ann")
    ahead = world.event(document, moment=datetime.now(UTC) + timedelta(minutes=minutes))
    world.log(ahead, day=NOW.date().isoformat())  # from a spool that was uploaded late
    assert wanted(world.sync()) == NOTHING
    assert (world.behaviour(), world.told("user"), world.dead()) == ([], {}, [])


def test_a_corpus_without_documents_leaves_its_events_for_later(world: World) -> None:
    world.log(world.event("guides/default/0.md"))
    assert wanted(world.sync()) == NOTHING
    world.documents(1)
    assert wanted(world.sync()) == {"item": 1, "user": 1, "behavior": 1}


def test_another_instance_begins_with_nothing_and_gets_all(world: World, client: Client) -> None:
    (document,) = world.documents(1)
    world.log(world.event(document))
    world.sync()
    other = str(client.create_instance().body.result.instance_id)
    world.airec.instance_id = other
    assert wanted(world.sync()) == {"item": 1, "user": 1, "behavior": 1}


def test_more_unfit_events_than_usual_are_red(world: World) -> None:
    (document,) = world.documents(1)
    world.log(*(world.event(f"nowhere{n}") for n in range(101)), world.event(document))
    with pytest.raises(Terminal, match=r"101 rows of behavior cannot be sent, more than usual; dead_letters/"):
        world.sync()
    assert world.sync()["red"] == ""


def test_the_report_names_each_table_and_warns_of_clicks_without_exposes(world: World) -> None:
    (document,) = world.documents(1)
    world.log(world.event(document))
    report = world.sync(run_id="told")
    stored = json.loads(world.oss.get(f"reports/{world.corpus}/airec/told.json"))
    assert stored == report
    assert report["lines"][0] == "item: 1 to send, 1 accepted, 0 refused, 0 left out (erased), 0 missing"
    assert "1 clicks, 0 exposes" in report["lines"][3]
    assert report["lines"][-1] == "difference: 0"
