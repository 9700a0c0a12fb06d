"""The event log as two windows: who searched for what and found something, and what was chosen at which place."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple, Self

from searchloom.errors import Terminal
from searchloom.evaluation.drift.report import Window
from searchloom.personalization.events import EMPTY, EXPOSE, INTERESTS, seconds
from searchloom.personalization.learning import SEARCH
from searchloom.training.splits import plain

DEPTH = 10
"""Places that are looked at."""


class Search(NamedTuple):
    """One search; ``person`` with the tenant, ``query`` as queries are compared, ``text`` as it was typed."""

    person: str
    day: str
    query: str
    text: str
    found: bool


class Shown(NamedTuple):
    """One document at one place (from 1) of one search, and whether it was chosen."""

    person: str
    day: str
    place: int
    chosen: bool


@dataclass(frozen=True, slots=True)
class Days:
    """The recent window and the reference before it, as days ``YYYY-MM-DD``."""

    first: str
    middle: str  # the first recent day
    last: str

    @classmethod
    def until(cls, day: str, *, recent: int, reference: int) -> Self:
        """The ``recent`` days up to ``day``, and ``reference`` days before them."""
        first = shifted(day, 1 - recent - reference)
        return cls(first, shifted(day, 1 - recent), day)

    @property
    def all(self) -> list[str]:
        """Every day, in order."""
        count = (date.fromisoformat(self.last) - date.fromisoformat(self.first)).days + 1
        return [shifted(self.first, number) for number in range(count)]


@dataclass(slots=True)
class Behaviour:
    """All searches of both windows, and the first places of what they showed."""

    days: Days
    searches: list[Search] = field(default_factory=list)
    shown: list[Shown] = field(default_factory=list)

    def of(self, *, recent: bool) -> list[Search]:
        """The searches of one window."""
        return [one for one in self.searches if (one.day >= self.days.middle) == recent]

    def between(self, first: str, last: str) -> list[Search]:
        """The searches of these days."""
        return [one for one in self.searches if first <= one.day <= last]

    def window(self, *, recent: bool) -> Window:
        """One window as a report tells it."""
        mine = self.of(recent=recent)
        first, last = (self.days.middle, self.days.last) if recent else (self.days.first, shifted(self.days.middle, -1))
        return Window(first=first, last=last, searches=len(mine), people=len({one.person for one in mine}))


def read(rows: Iterable[Mapping[str, Any]], days: Days) -> Behaviour:
    """Sort the events of a log into searches and places; what is no search's or makes no sense is passed over."""
    found = Behaviour(days)
    lists: dict[tuple[str, str], tuple[str, str, dict[str, int]]] = {}
    empty: list[Search] = []
    chosen: dict[tuple[str, str], set[str]] = defaultdict(set)
    for row in rows:
        day, kind = _day(row), str(row.get("type"))
        name = f"{row.get('tenant') or 'default'}\0{row.get('user_id')}", str(row.get("trace_id") or "")
        if not name[1] or not days.first <= day <= days.last:
            continue
        if kind in EXPOSE and row.get("scene") == SEARCH:
            text = str(row.get("query") or "")
            if kind == EMPTY:
                empty.append(Search(name[0], day, plain(text), text, found=False))
            elif isinstance(place := row.get("position"), int) and 1 <= place <= DEPTH:
                lists.setdefault(name, (day, text, {}))[2][str(row.get("item_id"))] = place
        elif INTERESTS.get(kind, 0.0) > 0:
            chosen[name].add(str(row.get("item_id")))
    for name, (day, text, places) in lists.items():
        person, mine = name[0], chosen.get(name, ())
        if 1 in places.values():  # else it is a later page of a search that counts already
            found.searches.append(Search(person, day, plain(text), text, found=True))
        found.shown += [Shown(person, day, place, item in mine) for item, place in places.items()]
    found.searches += empty
    return found


def shifted(day: str, by: int) -> str:
    """The day so many days later."""
    return (date.fromisoformat(day) + timedelta(days=by)).isoformat()


def _day(row: Mapping[str, Any]) -> str:
    try:
        return datetime.fromtimestamp(seconds(row.get("time")), UTC).date().isoformat()
    except (Terminal, ValueError, OverflowError, OSError):
        return ""
