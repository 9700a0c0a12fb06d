"""Clicks as judgments: what was clicked more often than its place on the page explains.

The position-based model: P(click) = P(seen at this position) x P(relevant). The first factor is estimated from the log
itself, over all (query, document) that were shown. Relevance is then the clicks, each weighted by the inverse of its
propensity (Joachims et al., "Unbiased learning-to-rank with biased feedback", WSDM 2017).
"""

from __future__ import annotations

import json
import logging
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np

from searchloom.cloud.oss import ObjectInfo, Oss
from searchloom.personalization.examination import propensities
from searchloom.training.splits import draw, plain

log = logging.getLogger(__name__)

CLICKS = frozenset({"click", "like", "collect", "comment", "share", "download", "cart", "buy"})
_EVENTS = "events/"
_MOST_POSITION = 50  # further down positions are taken together
_PRIOR_SHOWN = 1.0  # impressions by which a document seems less relevant than it did to the few who saw it
_LEAST_WEIGHT = 0.1  # below this share of its query's best document it is no answer


@dataclass(frozen=True, slots=True)
class Clicked:
    """A document that users of a query chose; ``weight`` in (0, 1] is its relevance relative to the query's best."""

    query_id: str
    query: str
    item_id: str
    weight: float
    first: float  # time of the query's first event, seconds since 1970


def files(oss: Oss, *, days: int, before: datetime | None) -> list[ObjectInfo]:
    """List the event files of the newest ``days`` days that hold any (before a day, where one is given)."""
    until = before.date().isoformat() if before else "9999-12-31"
    by_day: dict[str, list[ObjectInfo]] = defaultdict(list)
    for info in oss.list(f"{_EVENTS}dt="):
        day = info.key.removeprefix(f"{_EVENTS}dt=").split("/")[0]
        if info.key.endswith(".jsonl") and day < until:
            by_day[day].append(info)
    newest = sorted(by_day, reverse=True)[:days]
    return [info for day in sorted(newest) for info in by_day[day]]


def read(oss: Oss, found: Iterable[ObjectInfo]) -> Iterator[dict[str, Any]]:
    """Yield every event of the files once (by event_id); a line that is no event is counted and left out."""
    seen: set[int] = set()
    broken = 0
    for info in found:
        for line in oss.get(info.key).splitlines():
            try:
                event = json.loads(line)
                identity = hash(event["event_id"])
            except (ValueError, KeyError, TypeError):
                broken += bool(line.strip())
                continue
            if identity not in seen:
                seen.add(identity)
                yield event
    if broken:
        log.warning("%d lines of the event log are no events; they are left out", broken)


def judged(events: Iterable[Mapping[str, Any]], *, known: Mapping[str, str], min_clicks: int) -> list[Clicked]:
    """Turn events into answers of queries; ``known`` maps the ids that items may have to ids of documents.

    An answer was clicked by at least ``min_clicks`` different users; a user counts once for a query and a document.
    """
    log_ = _Log()
    for event in events:
        log_.add(event, known)
    return log_.answers(min_clicks)


class _Log:
    """What was shown and clicked: query -> item -> position -> users."""

    def __init__(self) -> None:
        self._shown: Counter[tuple[str, str, int]] = Counter()
        self._clicked: Counter[tuple[str, str, int]] = Counter()
        self._users: set[int] = set()
        self._names: dict[str, str] = {}
        self._first: dict[str, float] = {}

    def add(self, event: Mapping[str, Any], known: Mapping[str, str]) -> None:
        """Count one event; others than shown and clicked results of a query are passed over."""
        words, item, kind = event.get("query"), known.get(str(event.get("item_id"))), event.get("type")
        query = plain(words) if isinstance(words, str) else ""
        if not query or item is None or (kind != "expose" and kind not in CLICKS):
            return
        position = event.get("position")
        place = min(max(position, 1), _MOST_POSITION) - 1 if isinstance(position, int) else None
        clicked = kind in CLICKS
        user = hash((query, item, str(event.get("user_id")), clicked))
        if place is None or user in self._users:
            return
        self._users.add(user)
        (self._clicked if clicked else self._shown)[query, item, place] += 1
        self._names.setdefault(query, str(words).strip())
        self._first[query] = min(self._first.get(query, float("inf")), _seconds(event.get("time")))

    def answers(self, min_clicks: int) -> list[Clicked]:
        """Weigh what was clicked; documents of a query in the order of their weight."""
        rows = sorted(self._shown.keys() | self._clicked.keys())
        if not rows:
            return []
        number = {pair: index for index, pair in enumerate(dict.fromkeys(row[:2] for row in rows))}
        pairs = np.array([number[row[:2]] for row in rows], np.int64)
        positions = np.array([row[2] for row in rows], np.int64)
        clicked = np.array([self._clicked[row] for row in rows], np.float64)
        shown = np.maximum([self._shown[row] for row in rows], clicked)  # exposures may be logged in part
        seen = propensities(pairs, positions, shown, clicked)
        total = np.bincount(pairs, clicked)
        relevance = np.bincount(pairs, clicked / seen[positions]) / (np.bincount(pairs, shown) + _PRIOR_SHOWN)
        best: dict[str, float] = defaultdict(float)
        enough = [(pair, index) for pair, index in number.items() if total[index] >= min_clicks]
        for (query, _), index in enough:
            best[query] = max(best[query], float(relevance[index]))
        weighed = [(query, item, float(relevance[index]) / best[query]) for (query, item), index in enough]
        weighed.sort(key=lambda row: (row[0], -row[2], row[1]))
        return [
            Clicked(f"click:{draw(0, 'click', query):016x}", self._names[query], item, weight, self._first[query])
            for query, item, weight in weighed
            if weight >= _LEAST_WEIGHT
        ]


def _seconds(time: Any) -> float:
    if isinstance(time, int | float):
        return time / 1000 if time > 1e11 else float(time)
    try:
        return datetime.fromisoformat(str(time)).timestamp()
    except ValueError:
        return 0.0
