"""A person can see what is kept of him, and have it erased for good."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from searchloom.cloud.oss import Oss
from searchloom.engines.interface import Access
from searchloom.personalization.heard import key_of
from searchloom.personalization.person import Person
from searchloom.personalization.privacy import erase, erased, export, kept
from searchloom.personalization.store import Store
from searchloom.query.auth import Caller
from searchloom.query.events.schema import AHEAD, Record, checked
from searchloom.settings import Oss as OssSettings
from tests.servers import local_cloud


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with local_cloud(tmp_path_factory.mktemp("cloud")) as running:
        yield running


@pytest.fixture
def oss(cloud: Any) -> Oss:
    client = Oss(
        OssSettings(
            endpoint=cloud.endpoint, region=cloud.region, bucket=f"b{secrets.token_hex(6)}",
            access_key_id=cloud.access_key_id, access_key_secret=SecretStr(cloud.access_key_secret),
        )
    )  # fmt: skip
    client.ensure_bucket()
    return client


def event(user: str, item: str, tenant: str = "default", time: float = 1e9) -> dict[str, Any]:
    return {"event_id": secrets.token_hex(4), "user_id": user, "tenant": tenant, "item_id": item, "time": time}


def write(oss: Oss, name: str, *events: dict[str, Any]) -> None:
    oss.put(f"events/dt=2026-11-2{name}.jsonl", b"".join(json.dumps(each).encode() + b"\n" for each in events))


def test_an_erased_person_is_in_no_file_and_not_in_the_store_and_others_lose_nothing(oss: Oss, tmp_path: Path) -> None:
    mine, other, away = event("ann", "x"), event("bob", "x"), event("ann", "x", "elsewhere")
    write(oss, "0/a", mine, other, away)
    write(oss, "1/b", event("ann", "y"))
    write(oss, "1/c", other)
    person = Person()
    person.remember("x", 1.0, 1.0)
    with Store(tmp_path) as store:
        store.put(key_of("ann"), person)
        told = export(oss, "ann", store=store)
        assert [each["item_id"] for each in told["events"]] == ["x", "y"]
        assert json.loads(json.dumps(told))["store"]["items"] == ["x"]
        assert erase(oss, "ann", store=store) == {"events": 2, "files": 2, "persons": 1}
        assert erase(oss, "ann", store=store) == {"events": 0, "files": 0, "persons": 0}
        assert export(oss, "ann", store=store)["events"] == []
        assert store.get(key_of("ann")) == Person()
    assert [each["event_id"] for each in export(oss, "ann", tenant="elsewhere")["events"]] == [away["event_id"]]
    assert len(export(oss, "bob")["events"]) == 2
    assert sorted(info.key for info in oss.list("events/")) == [
        "events/dt=2026-11-20/a.jsonl", "events/dt=2026-11-21/c.jsonl",
    ]  # fmt: skip


def test_old_events_that_come_after_the_erasure_are_left_out_and_new_ones_count(oss: Oss) -> None:
    erase(oss, "ann")
    marks = erased(oss)
    assert len(marks) == 1
    assert "ann" not in json.dumps(marks)
    late, new, other = event("ann", "x"), event("ann", "y", time=4e9), event("bob", "x")
    assert list(kept([late, new, other], marks)) == [new, other]


def test_an_event_that_was_taken_with_a_clock_ahead_does_not_outlive_the_erasure(oss: Oss) -> None:
    caller = Caller("ann", Access("default"))
    now = datetime.now(UTC)
    given = {"event_id": "e", "type": "click", "item_id": "x"}
    taken = checked({**given, "time": (now + AHEAD).isoformat()}, caller, now)
    assert isinstance(taken, Record)
    assert "lies in the future" in str(checked({**given, "time": (now + AHEAD * 1.1).isoformat()}, caller, now))
    erase(oss, "ann")  # while it waits on the disk of a query module
    write(oss, "0/late", json.loads(taken.line()))
    later = event("ann", "y", time=(datetime.now(UTC) + AHEAD + timedelta(seconds=1)).timestamp())
    found = [json.loads(line) for line in oss.get("events/dt=2026-11-20/late.jsonl").splitlines()]
    assert list(kept([*found, later], erased(oss))) == [later]
