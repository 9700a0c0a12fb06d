"""Whoever asks what is kept of them is told what AIRec was told, what waits for it and what it refused."""

from __future__ import annotations

from datetime import timedelta

from searchloom.behaviour import privacy
from searchloom.personalization.privacy import erase
from searchloom.personalization.privacy import export as export_log
from tests.behaviour.world import NOW, World


def told(world: World, user: str) -> list[dict[str, object]]:
    return privacy.export(world.oss, user, tenant="default", events=export_log(world.oss, user)["events"])


def test_notes_dead_letters_and_rows_on_their_way_are_told_and_those_of_nobody_else(world: World) -> None:
    (document,) = world.documents(1)
    sent, refused = world.event(document), world.event("nowhere")
    world.log(sent, refused, world.event(document, user="bob"), world.event("nowhere", user="bob"))
    world.sync()
    (one,) = told(world, "ann")
    assert (one["instance"], one["corpus"], one["events"]) == (world.instance, world.corpus, [sent["event_id"]])
    assert one["user"]["user_id"] == "default/ann"
    (letter,) = one["dead_letters"]
    assert letter["source"] == refused
    assert "has no document 'nowhere'" in letter["reason"]
    assert (one["waiting"], one["on_the_way"]) == ([], [])

    late = world.event(document, moment=NOW - timedelta(days=2))
    world.log(late)
    world.plan()  # and not pushed yet
    (one,) = told(world, "ann")
    assert {row["source"].get("event_id") for row in one["on_the_way"]} >= {late["event_id"]}
    assert told(world, "carl") == []


def test_after_the_erasure_and_the_next_sync_nothing_is_left_to_tell(world: World) -> None:
    (document,) = world.documents(1)
    world.log(world.event(document), world.event("nowhere"))
    world.sync()
    assert told(world, "ann")
    erase(world.oss, "ann")
    world.sync()
    assert told(world, "ann") == []
