"""What the ranker knows of a person and an item. The one place where features are made, offline and online alike.

Only numpy, and only what a ``Model`` and a ``Person`` hold: a feature that could not be had at serving time cannot be
trained on. NaN says "not known", which the trees understand.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from searchloom.personalization.model import Recall
from searchloom.personalization.person import Person
from searchloom.personalization.sparse import Floats, Ints

MATCHES = ("bm25", "vector", "rerank", "airec")
"""Scores that others gave the candidates; NaN where they gave none."""

FEATURES = (
    "ease", "ease_all", "ease_recent", "neighbours", "followed", "factors", "alike", "alike_most", "alike_mean",
    "popularity", "popular_week", "popular_season", "trend", "approval", "click_rate", "exposed",
    "kind_affinity", "kind_refused", "category_affinity", "age_days", "year", "year_distance", "activity",
    "span_days", *MATCHES,
)  # fmt: skip

_DAY_S = 86_400.0
_WEEK, _SEASON = 7.0, 60.0


@dataclass(frozen=True, slots=True)
class Context:
    """The moment (seconds since 1970), and others' scores by their name in ``MATCHES``, in the candidates' order."""

    now: float
    matches: Mapping[str, Floats] = field(default_factory=dict)


def features(recall: Recall, person: Person, rows: Ints, context: Context) -> NDArray[np.float32]:
    """One line a candidate, ``[candidates, len(FEATURES)]``; ``rows`` are rows of the model, -1 for a new item."""
    found = np.full((len(rows), len(FEATURES)), np.nan, np.float32)
    known = rows >= 0
    columns = _known(recall, person, rows[known], context.now)
    for name, values in columns.items():
        found[known, _PLACE[name]] = values
    for name, values in context.matches.items():
        found[:, _PLACE[name]] = values
    return found


def _known(recall: Recall, person: Person, rows: Ints, now: float) -> dict[str, Floats | float]:
    model = recall.model
    week, season = model.popularity(now, _WEEK, rows), model.popularity(now, _SEASON, rows)
    refused, affinity = _kind_affinity(recall, rows)
    year = model.year[rows].astype(np.float64)
    return {
        **{name: recall.scores(name, rows) for name in _RECALLED},
        "alike_most": _most_alike(recall, rows),
        "alike_mean": _alike_mean(recall, person, rows),
        "popularity": np.log1p(model.total[rows], dtype=np.float64),
        "popular_week": np.log1p(week),
        "popular_season": np.log1p(season),
        "trend": np.log((week + 1.0) / (season * _WEEK / _SEASON + 1.0)),
        "approval": model.approval[rows].astype(np.float64),
        "click_rate": model.click_rate[rows].astype(np.float64),
        "exposed": np.log1p(model.exposed[rows], dtype=np.float64),
        "kind_affinity": affinity,
        "kind_refused": refused,
        "category_affinity": _category_affinity(recall, person, rows),
        "age_days": _age_days(model.first[rows], now),
        "year": year,
        "year_distance": _year_distance(recall, year),
        "activity": float(np.log1p(person.events)),
        "span_days": (person.last - person.first) / _DAY_S,
    }


def _kind_affinity(recall: Recall, rows: Ints) -> tuple[Floats, Floats]:
    """How much of what a person refused, and of what he liked, is of an item's kinds."""
    history, kinds, names = recall.history, recall.model.kinds, len(recall.model.kind_names)
    parts = []
    for interests in (np.maximum(0.5 - history.interests, 0), np.maximum(history.interests, 0)):
        weights = interests * history.weights(40.0)
        leaning = kinds.summed(history.rows, weights, names) / (1.0 + weights.sum())
        parts.append(kinds.dot(leaning, rows) if names else np.zeros(len(rows)))
    return parts[0], parts[1]


def _category_affinity(recall: Recall, person: Person, rows: Ints) -> Floats:
    """The item's category's share of the person's lasting affinities."""
    model = recall.model
    total = sum(person.categories.values())
    share = {name: value / total for name, value in person.categories.items()} if total else {}
    by_number = {number: share.get(name, 0.0) for number, name in enumerate(model.categories)} if share else {}
    return np.array([by_number.get(int(number), 0.0) for number in model.category[rows]], np.float64)


def _most_alike(recall: Recall, rows: Ints) -> Floats:
    """The likeness to that of the last items which is most alike."""
    last = recall.history.rows[(recall.history.interests > 0) & (recall.history.age < 2 * 10)]
    if not len(last):
        return np.zeros(len(rows))
    return np.asarray((recall.model.vectors[rows] @ recall.model.vectors[last].T).max(axis=1), np.float64)


def _alike_mean(recall: Recall, person: Person, rows: Ints) -> Floats | float:
    """The likeness to the mean of everything; unknown where the mean is of other vectors than the model's."""
    vectors = recall.model.vectors
    if person.mean is None or len(person.mean) != vectors.shape[1]:
        return float("nan")
    length = float(np.linalg.norm(person.mean))
    return np.asarray(vectors[rows] @ person.mean, np.float64) / (length or 1.0)


def _age_days(first: Floats, now: float) -> Floats:
    """Days since an item came; one that came later is not known yet."""
    age = (now - first) / _DAY_S
    return np.where(age >= 0, age, np.nan)


def _year_distance(recall: Recall, years: Floats) -> Floats:
    history = recall.history
    mine = recall.model.year[history.rows[history.interests > 0][:20]].astype(np.float64)
    mine = mine[~np.isnan(mine)]
    return np.abs(years - mine.mean()) if len(mine) else np.full(len(years), np.nan)


_RECALLED = ("ease", "ease_all", "ease_recent", "neighbours", "followed", "factors", "alike")
_PLACE = {name: number for number, name in enumerate(FEATURES)}
