"""Everybody's history online: from the log, at once from what was just heard, and gone when it was erased."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from searchloom.cloud.oss import Oss
from searchloom.personalization import heard, privacy, trial
from searchloom.personalization.events import Event, event_of, log_of, scales_of
from searchloom.personalization.fit import fit
from searchloom.personalization.heard import Heard, Recently, key_of
from searchloom.personalization.persons import Persons
from searchloom.personalization.replay import person_of
from searchloom.personalization.serve import Personal
from tests.personalization import log_in_oss
from tests.personalization.behaviour import items, small

CORPUS = "c"
NOW = datetime.now(UTC)


def did(user: str, number: int, minutes: float, kind: str = "click", **more: Any) -> dict[str, Any]:
    moment = NOW - timedelta(minutes=minutes)
    return log_in_oss.event(user, f"item-{number}", kind, moment, corpus=CORPUS, **more)


@pytest.fixture(scope="module")
def personal() -> Personal:
    log, catalog = small(persons=60)
    nobody = trial.learn([])
    scales = scales_of(["dwell"] * 40, np.arange(40.0))
    return Personal(fit(log, catalog), nobody, nobody, "ease", scales)


@pytest.fixture
def recently() -> Recently:
    return Recently()


@pytest.fixture
def known(personal: Personal, recently: Recently, tmp_path: Path) -> Iterator[Persons]:
    found = Persons(tmp_path / "persons", personal, recently, corpus=CORPUS, days=30)
    yield found
    found.close()


def follow(persons: Persons, oss: Oss) -> int:
    return persons.catch_up(oss, privacy.erased(oss), threading.Event())


def test_the_log_makes_the_person_that_training_knows(oss: Oss, personal: Personal, known: Persons) -> None:
    rows = [did("ann", number, 5000 - 7 * number, "dwell", value=float(number)) for number in range(30)]
    rows += [did("bob", number, 3000 - number) for number in range(5)]
    log_in_oss.write(oss, [*rows[::2], did("ann", 1, 9, "expose")], "a")
    log_in_oss.write(oss, rows[1::2], "b")
    log_in_oss.write(oss, [{**did("ann", 50, 1), "corpus": "another"}], "c")
    assert follow(known, oss) == 35
    events = [event_of(row) for row in rows]
    log = log_of(events, [item.item_id for item in items()], personal.scales)
    for user in ("ann", "bob"):
        offline, online = person_of(log, personal.model, log.users.index(user)), known.get(user, "default")
        assert (online.items, online.interests, online.categories) == (
            offline.items, offline.interests, offline.categories
        )  # fmt: skip
        assert (online.events, online.first, online.last) == (offline.events, offline.first, offline.last)
        assert np.array_equal(online.mean, offline.mean)
    assert known.get("ann", "another tenant").events == 0


def test_a_file_counts_once_whatever_comes_in_between(
    oss: Oss, personal: Personal, recently: Recently, tmp_path: Path
) -> None:
    log_in_oss.write(oss, [did("ann", 1, 30)], "a")
    for _ in range(3):
        persons = Persons(tmp_path / "persons", personal, recently, corpus=CORPUS, days=30)
        follow(persons, oss)
        follow(persons, oss)
        assert persons.get("ann", "default").events == 1
        persons.close()
    persons = Persons(tmp_path / "persons", personal, recently, corpus=CORPUS, days=30)
    log_in_oss.write(oss, [did("ann", 2, 20)], "b")
    assert follow(persons, oss) == 1
    assert persons.get("ann", "default").items == ["item-1", "item-2"]
    persons.close()


def test_what_was_just_heard_counts_at_once_and_once(oss: Oss, known: Persons, recently: Recently) -> None:
    row = did("ann", 7, 0.1)
    event: Event = event_of(row)
    recently.add(key_of("ann"), Heard(event.item_id, event.type, event.time, None))
    assert known.get("ann", "default").items == ["item-7"]
    log_in_oss.write(oss, [row])
    assert follow(known, oss) == 1
    assert known.get("ann", "default").events == 1


def test_two_things_heard_in_one_second_both_count(known: Persons, recently: Recently) -> None:
    for number in (3, 4):
        recently.add(key_of("ann"), Heard(f"item-{number}", "click", NOW.timestamp(), None))
    assert known.get("ann", "default").items == ["item-3", "item-4"]


def test_who_was_erased_is_nobody_until_he_does_something_again(oss: Oss, known: Persons, recently: Recently) -> None:
    log_in_oss.write(oss, [did("ann", 1, 30), did("bob", 1, 30)], "a")
    follow(known, oss)
    recently.add(key_of("ann"), Heard("item-2", "click", NOW.timestamp(), None))
    privacy.erase(oss, "ann")
    follow(known, oss)
    assert known.get("ann", "default").events == 0
    assert known.get("bob", "default").events == 1
    log_in_oss.write(oss, [did("ann", 3, -600)], "b")
    follow(known, oss)
    follow(known, oss)
    assert known.get("ann", "default").items == ["item-3"]


def test_memory_of_what_was_heard_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heard, "MAX_HEARD", 3)
    recently = Recently()
    for number in range(5):
        recently.add(key_of(str(number)), Heard("x", "click", 0.0, None))
    for _ in range(heard.MAX_HEARD_OF_ONE + 5):
        recently.add(key_of("4"), Heard("y", "click", 0.0, None))
    assert [len(recently.of(key_of(str(number)))) for number in range(5)] == [0, 0, 1, 1, heard.MAX_HEARD_OF_ONE]
