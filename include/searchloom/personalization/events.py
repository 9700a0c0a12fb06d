"""What people did with items: read from JSON lines, made comparable, kept as columns.

Types of events and scales of values differ from place to place. Here an event becomes an *interest*: 0 says nothing, 1
is a clear yes, more is more, below 0 is a no. A value that is a rating (few distinct ones) counts by its place on its
own scale; any other value (seconds, times played) by its place among the values of its type.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from searchloom.errors import Terminal

log = logging.getLogger(__name__)

EMPTY = "empty"
"""Type of what says that a search found nothing."""

EXPOSE = frozenset({"expose", "exposure", "impression", "show", "shown", EMPTY})
"""Types that say only that an item was shown, or that none was."""

INTERESTS: Mapping[str, float] = {
    "click": 1.0, "view": 1.0, "stay": 1.0, "dwell": 1.0, "play": 1.0, "rating": 1.0, "rate": 1.0,
    "like": 1.5, "comment": 1.5, "collect": 2.0, "share": 2.0, "download": 2.0, "subscribe": 2.0, "cart": 2.0,
    "buy": 3.0, "purchase": 3.0, "tip": 3.0,
    "unlike": -1.0, "dislike": -1.0, "negative": -1.0, "hide": -1.0,
}  # fmt: skip
"""What an event without a value says; a type that is not here says 1."""

LIKED = 0.75
"""From this interest on somebody liked the item."""

_RATING_VALUES = 20  # as many different values at most make a scale
_MARKS = 1000  # of a scale without ratings
_LIKED_ON_SCALE = 0.75  # of the way from the lowest to the highest: 4 of 1..5
_MILLISECONDS = 1e11


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that one person did; ``time`` in seconds since 1970."""

    user_id: str
    item_id: str
    type: str
    time: float
    value: float | None = None
    position: int | None = None
    query: str = ""
    trace_id: str = ""
    scene: str = ""
    scores: Mapping[str, float] = field(default_factory=dict)
    """Of an item that was shown: what orders it without a person (``relevance``), and what each part said of it."""


def event_of(row: Mapping[str, Any], order: int = 0) -> Event:
    """Read one event; without a time it happened ``order`` seconds after 1970.

    Raises ``Terminal`` naming the field that is missing or makes no sense.
    """
    for name in ("user_id", "item_id"):
        if row.get(name) in {None, ""}:
            raise Terminal(f"an event has no {name}: {json.dumps(row)[:200]}")
    position, value = row.get("position"), row.get("value")
    return Event(
        user_id=str(row["user_id"]),
        item_id=str(row["item_id"]),
        type=str(row.get("type") or "click").lower(),
        time=seconds(row["time"]) if row.get("time") not in {None, ""} else float(order),
        value=None if value is None or value == "" else _number(value, "value"),
        position=int(_number(position, "position")) if position not in {None, ""} else None,
        query=str(row.get("query") or ""),
        trace_id=str(row.get("trace_id") or ""),
        scene=str(row.get("scene") or ""),
        scores={name: float(score) for name, score in (row.get("scores") or {}).items()},
    )


def seconds(time: Any) -> float:
    """Seconds since 1970 of a number (seconds or milliseconds), of digits or of an ISO 8601 time."""
    try:
        number = float(time)
    except (TypeError, ValueError, OverflowError):
        try:
            return datetime.fromisoformat(str(time)).timestamp()
        except ValueError:
            raise Terminal(f"{time!r} is no time; write seconds since 1970 or ISO 8601") from None
    return number / 1000 if number > _MILLISECONDS else number


def read_jsonl(path: Path) -> Iterator[Event]:
    """Yield the events of a file; lines that are none are counted and left out."""
    broken = 0
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file):
            try:
                row = json.loads(line)
                yield event_of(row, number)
            except (ValueError, AttributeError, Terminal):
                broken += bool(line.strip())
    if broken:
        log.warning("%d lines of %s are no events; they are left out", broken, path.name)


@dataclass(frozen=True, slots=True)
class Log:
    """Events as columns, each person's in order of time; ``user`` and ``item`` are places in the two lists of ids."""

    users: list[str]
    items: list[str]
    user: NDArray[np.int32]
    item: NDArray[np.int32]
    time: NDArray[np.float64]
    interest: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.user)

    @property
    def liked(self) -> NDArray[np.bool_]:
        """Which events are a clear yes."""
        return self.interest >= LIKED

    def only(self, keep: NDArray[np.bool_]) -> Self:
        """The events that ``keep`` marks; the lists of ids stay as they are."""
        return type(self)(
            self.users, self.items, self.user[keep], self.item[keep], self.time[keep], self.interest[keep]
        )

    def of_users(self, shuffled: NDArray[np.int32]) -> Self:
        """The same events done by other people, in their order of time."""
        order = np.lexsort((self.item, self.time, shuffled))
        return type(self)(
            self.users, self.items, shuffled[order], self.item[order], self.time[order], self.interest[order]
        )


def log_of(events: Iterable[Event], items: Iterable[str] = (), scales: Scales | None = None) -> Log:
    """Make columns of events, those that only say that something was shown left out.

    ``items`` are known before; items that only events name follow them. Without ``scales`` the events make their own.
    """
    users: dict[str, int] = {}
    known = {item_id: place for place, item_id in enumerate(items)}
    rows: list[tuple[int, int, float]] = []
    kinds: list[str] = []
    values: list[float] = []
    for event in events:
        if event.type in EXPOSE:
            continue
        rows.append(
            (users.setdefault(event.user_id, len(users)), known.setdefault(event.item_id, len(known)), event.time)
        )
        kinds.append(event.type)
        values.append(np.nan if event.value is None else event.value)
    user, item, time = (np.array(column) for column in zip(*rows, strict=True)) if rows else (np.empty(0),) * 3
    interest = interests(kinds, np.array(values, np.float64), scales)
    order = np.lexsort((item, time, user))
    return Log(
        list(users), list(known), user[order].astype(np.int32), item[order].astype(np.int32),
        time[order].astype(np.float64), interest[order],
    )  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Scale:
    """What the values of one type of event say.

    ``marks`` are the different values of a rating, or values that cut all that were given into equal parts.
    """

    marks: NDArray[np.float64]
    is_rating: bool

    @classmethod
    def of(cls, values: NDArray[np.float64]) -> Self:
        """The scale that these values make."""
        different = np.unique(values)
        if len(different) <= _RATING_VALUES:
            return cls(different, is_rating=True)
        ordered = np.sort(values)
        return cls(
            ordered if len(ordered) <= _MARKS else np.quantile(ordered, np.linspace(0, 1, _MARKS)), is_rating=False
        )

    def places(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """How much of a clear yes each value is."""
        if not self.is_rating:
            # Seconds and counts have long tails: half the values are below a clear yes, none is far above the others.
            ranks = np.searchsorted(self.marks, values, side="right") / len(self.marks)
            return np.asarray(np.where(ranks >= 0.5, LIKED + ranks - 0.5, LIKED * ranks))
        if len(self.marks) == 1:
            return np.ones(len(values))
        low, high = self.marks[0], self.marks[-1]
        if low >= 0 and high == 1 and len(self.marks) == 2:
            return np.asarray(np.where(values > 0, 1.0, 0.0))
        place = np.clip((values - low) / (high - low), 0.0, 1.0)
        # The threshold of liking lies at the same height on every scale; a no is a weak yes to the kind of thing.
        return np.asarray(np.where(place >= _LIKED_ON_SCALE, place, 0.6 * place / _LIKED_ON_SCALE))


Scales = Mapping[str, Scale]
"""By type of event."""


def scales_of(kinds: Sequence[str], values: NDArray[np.float64]) -> Scales:
    """The scale of each type whose events carry values; NaN where one carries none."""
    names = np.array(kinds, dtype=object)
    given = ~np.isnan(values)
    return {
        kind: Scale.of(values[given & (names == kind)])
        for kind in sorted(set(kinds))
        if (given & (names == kind)).any()
    }


def interests(kinds: Sequence[str], values: NDArray[np.float64], scales: Scales | None = None) -> NDArray[np.float32]:
    """What each event says, from its type and (where it is not NaN) its value on the scale of its type."""
    known = scales_of(kinds, values) if scales is None else scales
    names = np.array(kinds, dtype=object)
    found = np.ones(len(values), np.float32)
    for kind in set(kinds):
        base = INTERESTS.get(kind, 1.0)
        mine = names == kind
        found[mine] = base
        given = mine & ~np.isnan(values)
        if base > 0 and kind in known and given.any():
            found[given] = base * known[kind].places(values[given])
    return found


def _number(value: Any, name: str) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        raise Terminal(f"an event has {name} {value!r}, which is no number") from None
