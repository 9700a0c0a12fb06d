"""What was trained from a data set's behaviour: recall by EASE and factors, and a model of clicks over both.

Items are addressed by their place in ``keys``. Features are made here for training and for serving alike.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Key = tuple[str, str]
"""An item's id and type."""

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

FEATURES = (
    "ease", "ease_recent", "factors", "content", "popularity", "popular_lately", "click_rate", "age_days",
    "category", "activity",
)  # fmt: skip
_RECENT = 10
_HALF_LIFE_ITEMS = 40.0
_DAY_S = 86_400.0
_CONFIDENCE = 10.0
_ARRAYS = (
    "starts", "columns", "values", "factors", "gram", "vectors", "total", "lately", "click_rate", "published",
    "category",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Past:
    """The places of what a user dealt with and what each dealing says, newest first."""

    places: Ints
    interests: Floats

    @property
    def recency(self) -> Floats:
        """Halved with every ``_HALF_LIFE_ITEMS`` items that came after."""
        return np.asarray(0.5 ** (np.arange(len(self.places)) / _HALF_LIFE_ITEMS))


@dataclass(frozen=True)
class Trained:
    """Tables by an item's place; ``booster`` is a LightGBM model of P(click), or None while it is trained."""

    keys: list[Key]
    starts: NDArray[np.int64]
    columns: NDArray[np.int32]
    values: NDArray[np.float32]
    factors: NDArray[np.float32]
    gram: NDArray[np.float64]
    vectors: NDArray[np.float32]
    total: NDArray[np.float32]
    lately: NDArray[np.float32]
    click_rate: NDArray[np.float32]
    published: NDArray[np.float64]
    category: NDArray[np.int32]
    behaviors: int = 0
    booster: Any = None
    places: Mapping[Key, int] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "places", {key: place for place, key in enumerate(self.keys)})

    def past(self, dealt: Sequence[tuple[Key, float]]) -> Past:
        """What is known of the items that a user dealt with, given newest first."""
        known = [(self.places[key], interest) for key, interest in dealt if key in self.places]
        places = np.array([place for place, _ in known], np.int64)
        return Past(places, np.array([interest for _, interest in known], np.float64))

    def recalled(self, past: Past, each: int) -> Ints:
        """The best places by EASE, by factors, and of what is popular, ever and lately."""
        found = []
        for scores in (self._ease(past, past.recency), self._factors(past), self.total, self.lately):
            count = min(each, len(scores))
            if count:
                found.append(np.argpartition(-scores, count - 1)[:count])
        return np.unique(np.concatenate(found)).astype(np.int64) if found else np.empty(0, np.int64)

    def lines(self, past: Past, places: Ints, now: float) -> NDArray[np.float32]:
        """The features of items for a user at a moment, ``[places, len(FEATURES)]``."""
        yes = past.interests > 0
        age = (now - self.published[places]) / _DAY_S
        columns: dict[str, Floats | float] = {
            "ease": self._ease(past, past.recency)[places],
            "ease_recent": self._ease(past, (np.arange(len(yes)) < _RECENT).astype(float))[places],
            "factors": self._factors(past)[places],
            "content": self._content(past, places),
            "popularity": np.log1p(self.total[places].astype(np.float64)),
            "popular_lately": np.log1p(self.lately[places].astype(np.float64)),
            "click_rate": self.click_rate[places].astype(np.float64),
            "age_days": np.where(age >= 0, age, np.nan),
            "category": self._category(past, places),
            "activity": float(np.log1p(len(past.places))),
        }
        found = np.empty((len(places), len(FEATURES)), np.float32)
        for number, name in enumerate(FEATURES):
            found[:, number] = columns[name]
        return found

    def clicks(self, past: Past, places: Ints, now: float) -> Floats:
        """The probability of a click on each item."""
        return np.asarray(self.booster.predict(self.lines(past, places, now), num_threads=1), np.float64)

    def related(self, places: Ints) -> Floats:
        """How well each item goes with given ones, by EASE."""
        return self._summed(places, np.ones(len(places)))

    def _ease(self, past: Past, weights: Floats) -> Floats:
        used = (past.interests > 0) & (weights > 0)
        return self._summed(past.places[used], weights[used])

    def _summed(self, rows: Ints, weights: Floats) -> Floats:
        counts = self.starts[rows + 1] - self.starts[rows]
        before = np.cumsum(counts) - counts
        at = np.repeat(self.starts[rows] - before, counts) + np.arange(int(counts.sum()))
        summed = np.bincount(self.columns[at], self.values[at] * np.repeat(weights, counts), len(self.keys))
        return summed.astype(np.float64)

    def _factors(self, past: Past) -> Floats:
        mine = self.factors[past.places[past.interests > 0]].astype(np.float64)
        if not len(mine):
            return np.zeros(len(self.keys))
        left = self.gram + (_CONFIDENCE - 1) * mine.T @ mine
        return np.asarray(self.factors @ np.linalg.solve(left, _CONFIDENCE * mine.sum(axis=0)), np.float64)

    def _content(self, past: Past, places: Ints) -> Floats:
        recent = past.places[past.interests > 0][:_RECENT]
        if not len(recent):
            return np.zeros(len(places))
        return np.asarray(self.vectors[places] @ self.vectors[recent].mean(axis=0), np.float64)

    def _category(self, past: Past, places: Ints) -> Floats:
        mine = self.category[past.places[past.interests > 0]]
        mine = mine[mine >= 0]
        share = np.bincount(mine, minlength=int(self.category.max(initial=0)) + 2) / max(len(mine), 1)
        return np.asarray(np.where(self.category[places] >= 0, share[self.category[places]], 0.0))

    def save(self, folder: Path) -> None:
        """Write everything into a folder."""
        folder.mkdir(parents=True)
        np.savez(folder / "tables.npz", **{name: getattr(self, name) for name in _ARRAYS})
        self.booster.save_model(str(folder / "clicks.txt"))
        about = {"keys": self.keys, "behaviors": self.behaviors, "features": FEATURES}
        (folder / "model.json").write_text(json.dumps(about), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Trained | None:
        """Read what ``save`` wrote; None where nothing is, or it is of another version."""
        import lightgbm  # noqa: PLC0415  its import takes seconds: only who has a model waits for it

        try:
            about = json.loads((folder / "model.json").read_text(encoding="utf-8"))
            if tuple(about["features"]) != FEATURES:
                return None
            with np.load(folder / "tables.npz") as tables:
                arrays = {name: tables[name] for name in _ARRAYS}
            booster = lightgbm.Booster(model_file=str(folder / "clicks.txt"))
        except (OSError, ValueError, KeyError, lightgbm.basic.LightGBMError):
            return None
        keys = [(str(item), str(kind)) for item, kind in about["keys"]]
        return cls(keys, **arrays, behaviors=int(about["behaviors"]), booster=booster)
