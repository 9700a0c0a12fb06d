"""What was learned of all items, as arrays that serving maps into memory; how well an item suits a person, by source.

A source is one way to recommend: EASE over what was liked, EASE over everything, item neighbours, what follows what,
factors of implicit ALS, texts that are alike. ``Recall.of`` gives each source's score, at given items or at all.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from searchloom.errors import Terminal
from searchloom.personalization.events import LIKED
from searchloom.personalization.person import Person
from searchloom.personalization.sparse import Floats, Ints, Rows

RECENT = 10
"""The last so many items are what a person is at now."""

_HALF_LIFE_ITEMS = 40.0  # a dealt with item counts half as much after so many others
_FOLLOWED_HALF_LIFE = 5.0
_DAY_S = 86_400.0
_NO = 0.3  # a weak yes counts so much where all dealings count


@dataclass(frozen=True, slots=True)
class History:
    """The rows of the items that a person dealt with, newest first, and what each counts for."""

    rows: Ints
    interests: Floats
    age: Floats  # how many others came after it

    def weights(self, half_life: float) -> Floats:
        """Halved with every ``half_life`` items that came after."""
        return np.asarray(0.5 ** (self.age / half_life))


@dataclass(frozen=True)
class Model:
    """Tables by item row. Arrays only, so that a folder of ``.npy`` files holds them and a process maps them."""

    ids: list[str]
    categories: list[str]
    kind_names: list[str]
    category: NDArray[np.int32]
    year: NDArray[np.float32]
    first: NDArray[np.float64]
    vectors: NDArray[np.float32]
    liked_ease: Rows
    all_ease: Rows
    neighbours: Rows
    followed: Rows
    kinds: Rows
    factors: NDArray[np.float32]
    factor_gram: NDArray[np.float64]
    factor_confidence: float
    total: NDArray[np.float32]
    approval: NDArray[np.float32]
    exposed: NDArray[np.float32]
    click_rate: NDArray[np.float32]
    bucket_ends: NDArray[np.float64]
    buckets: NDArray[np.float32]
    places: Mapping[str, int] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "places", {item_id: row for row, item_id in enumerate(self.ids)})

    def __len__(self) -> int:
        return len(self.ids)

    def rows_of(self, ids: Sequence[str]) -> Ints:
        """The rows of items; -1 for one that is not known."""
        return np.array([self.places.get(item_id, -1) for item_id in ids], np.int64)

    def history(self, person: Person) -> History:
        """What a person dealt with, as rows of this model, newest first."""
        rows = self.rows_of(person.items)[::-1]
        known = rows >= 0
        age = np.arange(len(rows), dtype=np.float64)
        return History(rows[known], np.array(person.interests, np.float64)[::-1][known], age[known])

    def about(self, item_id: str) -> tuple[str, NDArray[np.float32] | None]:
        """Category and vector of an item, as ``Person.remember`` takes them."""
        row = self.places.get(item_id, -1)
        if row < 0:
            return "", None
        number = int(self.category[row])
        return self.categories[number] if number >= 0 else "", self.vectors[row]

    def popularity(self, now: float, half_life_days: float, rows: Ints | None = None) -> Floats:
        """What was done with items before ``now``, halved with every ``half_life_days``."""
        ended = self.bucket_ends <= now
        age = np.where(ended, now - self.bucket_ends, 0.0) / (half_life_days * _DAY_S)
        decay = np.where(ended, 0.5 ** np.minimum(age, 1000.0), 0.0)
        table = self.buckets if rows is None else self.buckets[rows]
        return np.asarray(table @ decay)

    def save(self, folder: Path) -> None:
        """Write the tables into a folder, which is made; what lies there under the same names is replaced."""
        folder.mkdir(parents=True, exist_ok=True)
        names: dict[str, Any] = {}
        for each in fields(self):
            value = getattr(self, each.name)
            if isinstance(value, np.ndarray):
                np.save(folder / f"{each.name}.npy", value)
            elif isinstance(value, Rows):
                for part in ("starts", "columns", "values"):
                    np.save(folder / f"{each.name}.{part}.npy", getattr(value, part))
            elif each.init:
                names[each.name] = value
        (folder / "names.json").write_text(json.dumps(names), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Map what ``save`` wrote. Raises ``Terminal`` where a table is missing."""
        try:
            values: dict[str, Any] = json.loads((folder / "names.json").read_text(encoding="utf-8"))
            for each in fields(cls):
                if each.type == "Rows":
                    parts = (_mapped(folder / f"{each.name}.{part}.npy") for part in ("starts", "columns", "values"))
                    values[each.name] = Rows(*parts)
                elif each.init and each.name not in values:
                    values[each.name] = _mapped(folder / f"{each.name}.npy")
        except (OSError, ValueError) as error:
            raise Terminal(f"{folder} holds no personal model of this version: {error}") from error
        return cls(**values)


SOURCES = ("ease", "ease_all", "neighbours", "followed", "factors", "alike")
"""The ways to recommend that know the person."""


@dataclass(frozen=True, slots=True)
class Recall:
    """The sources' scores of one person; computed only where asked."""

    model: Model
    history: History

    @classmethod
    def of(cls, model: Model, person: Person) -> Self:
        """Get ready for one person."""
        return cls(model, model.history(person))

    def scores(self, source: str, rows: Ints | None = None) -> Floats:
        """The scores of ``rows``, or of all items; all zero for a person of whom nothing is known."""
        model, history = self.model, self.history
        if source == "factors":
            table = model.factors if rows is None else model.factors[rows]
            return np.asarray(table @ self._folded_in(), np.float64)
        if source == "alike":
            table = model.vectors if rows is None else model.vectors[rows]
            return np.asarray(table @ self.recent_vector(), np.float64)
        liked, yes = history.interests >= LIKED, history.interests > 0
        match source:
            case "ease":
                summed, weights = model.liked_ease, liked * history.weights(_HALF_LIFE_ITEMS)
            case "ease_all":
                summed = model.all_ease
                weights = np.where(liked, 1.0, np.where(yes, _NO, 0.0)) * history.weights(_HALF_LIFE_ITEMS)
            case "ease_recent":
                summed, weights = model.all_ease, np.where(yes & (history.age < RECENT), 1.0, 0.0)
            case "neighbours":
                summed, weights = model.neighbours, np.where(liked, 1.0, 0.0)
            case _:
                summed, weights = model.followed, history.weights(_FOLLOWED_HALF_LIFE)
        return self._summed(summed, weights, rows)

    def recent_vector(self) -> NDArray[np.float32]:
        """The mean of the vectors of the last items that drew a yes; zeros where there are none."""
        rows = self.history.rows[(self.history.interests > 0) & (self.history.age < RECENT)]
        if not len(rows):
            return np.zeros(self.model.vectors.shape[1], np.float32)
        mean = self.model.vectors[rows].astype(np.float32).mean(axis=0)
        length = float(np.linalg.norm(mean))
        return np.asarray(mean / np.float32(length or 1.0))

    def _summed(self, table: Rows, weights: Floats, rows: Ints | None) -> Floats:
        used = weights != 0
        if rows is None:
            return table.summed(self.history.rows[used], weights[used], len(self.model))
        return table.summed_at(self.history.rows[used], weights[used], rows)

    def _folded_in(self) -> Floats:
        """The person's factors, by the same least squares that ALS solves (Hu, Koren and Volinsky, ICDM 2008)."""
        yes = self.history.interests >= LIKED
        mine = self.model.factors[self.history.rows[yes]].astype(np.float64)
        if not len(mine):
            return np.zeros(self.model.factors.shape[1])
        confidence = self.model.factor_confidence
        left = self.model.factor_gram + (confidence - 1) * mine.T @ mine
        return np.asarray(np.linalg.solve(left, confidence * mine.sum(axis=0)))


def _mapped(path: Path) -> NDArray[Any]:
    return np.asarray(np.load(path, mmap_mode="r"))
