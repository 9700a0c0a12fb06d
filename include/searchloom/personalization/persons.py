"""Everybody's history, for one version of a model: what the log in OSS says, and what this process has just heard.

The store holds what stands in files of the log; each file counts once, also after a crash. What this process hears
itself is laid over it at once, until the log has it. Processes that share a folder take turns: one follows the log,
the others read what it wrote.
"""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from searchloom.errors import Terminal
from searchloom.personalization import logged
from searchloom.personalization.events import EXPOSE, Event, event_of, interests
from searchloom.personalization.heard import Heard, Recently, key_of
from searchloom.personalization.person import Person
from searchloom.personalization.serve import Personal
from searchloom.personalization.store import Store

if TYPE_CHECKING:
    from searchloom.cloud.oss import Oss

RECENT_DAYS = 3
"""After the first look at the whole log, so many of the newest days are looked at for new files."""
_BREATH = 50  # events; then others get the interpreter for a moment
_BREATH_S = 0.002


class Persons:
    """The persons of one corpus as one version of its model sees them."""

    def __init__(self, folder: Path, personal: Personal, recently: Recently, *, corpus: str, days: int) -> None:
        self._store = Store(folder)
        self._turn = os.open(folder / "TURN", os.O_RDWR | os.O_CREAT, 0o600)
        self._personal = personal
        self._recently = recently
        self._corpus = corpus
        self._days = days
        self._known = logged.Known()
        self._whole = False

    def close(self) -> None:
        """Let go of the files."""
        self._store.close()
        os.close(self._turn)

    def get(self, user: str, tenant: str) -> Person:
        """A person as of now; one of whom nothing is known is empty."""
        key = key_of(user, tenant)
        person = self._store.get(key)
        last = person.last if person.events else -1
        for heard in self._recently.of(key):
            if int(heard.time) > last:  # what the log has told already lies before the last moment it tells of
                self._remember(person, heard)
        return person

    def catch_up(self, oss: Oss, marks: Mapping[str, float], stop: threading.Event) -> int:
        """Take in the files of the log that are new, all days the first time; returns how many events they held.

        ``marks`` say who was erased. A process whose turn it is not does nothing: another one writes.
        """
        try:
            fcntl.flock(self._turn, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return 0
        self._erase(marks)
        if self._whole:
            tomorrow = datetime.now(UTC).date() + timedelta(days=1)  # a sender's clock may be ahead
            days = [(tomorrow - timedelta(days=age)).isoformat() for age in range(RECENT_DAYS + 1)]
            files = [logged.files_of(oss, day) for day in reversed(days)]
        else:
            files = list(logged.files(oss, days=self._days).values())
        count = 0
        for of_day in files:
            fresh = [info.key for info in of_day if not self._store.noted(info.key)]
            if fresh and not stop.is_set():
                count += self._absorb(oss, fresh, marks, stop)
        self._whole = not stop.is_set()
        return count

    def _erase(self, marks: Mapping[str, float]) -> None:
        for name, moment in marks.items():
            note = f"erased/{name}/{moment}"
            if not self._store.noted(note):
                self._store.erase(bytes.fromhex(name))
                self._store.absorb({}, [note])
            self._recently.forget(bytes.fromhex(name), moment)

    def _absorb(self, oss: Oss, keys: list[str], marks: Mapping[str, float], stop: threading.Event) -> int:
        found: list[tuple[bytes, Event]] = []
        rows = logged.rows(oss, keys, corpus=self._corpus, marks=marks, known=self._known, shown=False)
        for number, row in enumerate(rows, start=1):
            event = _event(row)
            if event is not None and event.type not in EXPOSE:
                found.append((key_of(event.user_id, str(row.get("tenant") or "default")), event))
            if not number % _BREATH:
                stop.wait(_BREATH_S)
        places = self._personal.model.places
        found.sort(key=lambda each: (each[1].time, places.get(each[1].item_id, len(places))))
        persons: dict[bytes, Person] = {}
        for number, (key, event) in enumerate(found, start=1):
            person = persons.get(key) or self._store.get(key)
            persons[key] = person
            self._remember(person, Heard(event.item_id, event.type, event.time, event.value))
            if not number % _BREATH:
                stop.wait(_BREATH_S)
        self._store.absorb(persons, keys)
        return len(found)

    def _remember(self, person: Person, heard: Heard) -> None:
        value = np.array([np.nan if heard.value is None else heard.value])
        interest = float(interests([heard.type], value, self._personal.scales)[0])
        person.remember(heard.item_id, heard.time, interest, *self._personal.model.about(heard.item_id))


def _event(row: Mapping[str, Any]) -> Event | None:
    try:
        return event_of(row)
    except (Terminal, TypeError, ValueError, AttributeError):
        return None  # whoever trains on the log counts them and says so
