"""The personal part of an answer: candidates of a search in a person's order, and lists where nothing was asked for.

Reads a folder of ``Model`` and ``Ranker`` and a ``Store``; numpy and lmdb are all it takes. A person of whom nothing is
known, and one who does not want it, gets the plain order.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import numpy as np

from searchloom.errors import Terminal
from searchloom.personalization.events import Scale, Scales
from searchloom.personalization.features import FEATURES, MATCHES, Context, features
from searchloom.personalization.groups import recalled
from searchloom.personalization.model import Model, Recall
from searchloom.personalization.order import explored, floored, spread
from searchloom.personalization.person import Person
from searchloom.personalization.ranker import Group, Ranker, blended, standard
from searchloom.personalization.reasons import reasons
from searchloom.personalization.sparse import Ints

VARIETY = 0.15
_HARDLY_SHOWN = 20.0
_NEW_DAYS = 14.0
_DAY_S = 86_400.0
_TRUST = 5.0  # with so many events a person's own order has half its weight


@dataclass(frozen=True, slots=True)
class Candidate:
    """A hit of a search; ``relevance`` orders it without a person, ``matches`` are scores by name of ``MATCHES``."""

    item_id: str
    relevance: float
    matches: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Placed:
    """An item in its place. ``share``: how much of its score is personal, 0 to 1; ``reason`` says why it came.

    ``personal`` is what the ranker alone says, in deviations from the mean of the candidates; None where it was not
    asked. Reasons: those of ``reasons``, and ``new`` for an item that is tried.
    """

    item_id: str
    score: float
    share: float
    reason: str
    personal: float | None = None


@dataclass(frozen=True, slots=True)
class Personal:
    """What serves: a model, the ranker of searches and the ranker of lists."""

    model: Model
    searcher: Ranker
    ranker: Ranker
    plain: str = "ease"
    scales: Scales = field(default_factory=dict)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Map what ``save`` wrote; raises ``Terminal`` where a part is missing or of another version."""
        return cls(
            Model.load(folder / "model"),
            Ranker.load(folder / "search"),
            Ranker.load(folder / "recommend"),
            (folder / "plain").read_text(encoding="utf-8").strip(),
            _scales(folder / "scales.json"),
        )

    def save(self, folder: Path) -> None:
        """Write all parts into a folder."""
        self.model.save(folder / "model")
        self.searcher.save(folder / "search")
        self.ranker.save(folder / "recommend")
        (folder / "plain").write_text(self.plain, encoding="utf-8")
        scales = {
            kind: {"marks": each.marks.tolist(), "is_rating": each.is_rating} for kind, each in self.scales.items()
        }
        (folder / "scales.json").write_text(json.dumps(scales), encoding="utf-8")

    def order(self, person: Person, candidates: Sequence[Candidate], now: float) -> list[Placed]:
        """A search's candidates in the person's order. Ones that were seen stay: who searches may look for them."""
        relevance = np.array([each.relevance for each in candidates], np.float64)
        if not candidates:
            return []
        rows = self.model.rows_of([each.item_id for each in candidates])
        recall = Recall.of(self.model, person)
        plain = standard(relevance)
        scores = plain
        trust = _trust(person.events)
        personal = None
        if trust and self.searcher.weight:
            matches = {
                name: np.array([each.matches.get(name, np.nan) for each in candidates], np.float64) for name in MATCHES
            }
            lines = features(recall, person, rows, Context(now, matches))
            personal = standard(self.searcher.trees.scores(lines))
            weight = self.searcher.weight * trust
            scores = weight * personal + (1 - weight) * plain
        order = floored(np.argsort(-scores, kind="stable"), relevance)
        told = reasons(recall, rows) if scores is not plain else ["query"] * len(rows)
        return [
            Placed(
                candidates[place].item_id,
                float(scores[place]),
                _share(float(scores[place]), float(plain[place])),
                told[place],
                None if personal is None else float(personal[place]),
            )
            for place in order.tolist()
        ]

    def replayed(self, group: Group) -> Ints:
        """The places of a search that was logged, in the order in which ``order`` would have put them."""
        weight = self.searcher.weight * _trust(group.history)
        scores = blended(self.searcher.trees.scores(group.lines), group.plain, weight) if weight else group.plain
        return floored(np.argsort(-scores, kind="stable"), group.plain)

    def recommend(
        self,
        person: Person,
        count: int,
        now: float,
        *,
        others: Mapping[str, float] | None = None,
        wanted: Sequence[str] | None = None,
        variety: float = VARIETY,
    ) -> list[Placed]:
        """A list for a person. ``others``: AIRec's weights by item; ``wanted``: only these items may come."""
        model = self.model
        recall = Recall.of(model, person)
        weights = {int(row): weight for row, weight in _by_row(model, others or {}) if row >= 0}
        seen = np.unique(recall.history.rows)
        rows = recalled(recall, now, seen, others=list(weights))
        fresh = self._fresh(recall, seen, now, count)
        rows = np.union1d(rows, fresh)
        if wanted is not None:
            rows = np.intersect1d(rows, model.rows_of(wanted))
        if not len(rows):
            return []
        matches = {"airec": np.array([weights.get(row, np.nan) for row in rows.tolist()])} if others else {}
        lines = features(recall, person, rows, Context(now, matches))
        plain = np.nan_to_num(lines[:, FEATURES.index(self.plain)].astype(np.float64))
        if not plain.any():
            plain = np.nan_to_num(lines[:, FEATURES.index("popular_week")].astype(np.float64))
        trust = _trust(person.events)
        weight = self.ranker.weight * trust
        scores = standard(plain)
        if weight:
            scores = weight * standard(self.ranker.trees.scores(lines)) + (1 - weight) * scores
        # Who is hardly known gets more of a choice.
        wide = variety * (2 - trust)
        order = spread(np.argsort(-scores, kind="stable"), scores, model.vectors[rows], variety=wide, depth=count)
        places = {row: place for place, row in enumerate(rows.tolist())}
        tried = [places[row] for row in fresh.tolist() if row in places]
        order = explored(order, tried)[:count]
        told = reasons(recall, rows[order])
        return [
            Placed(
                model.ids[rows[place]],
                float(scores[place]),
                trust,
                "new" if place in tried else reason,
            )
            for place, reason in zip(order.tolist(), told, strict=True)
        ]

    def _fresh(self, recall: Recall, seen: Ints, now: float, count: int) -> Ints:
        """New items that were hardly shown, those most like what the person liked first."""
        model = recall.model
        new = (model.exposed < _HARDLY_SHOWN) & (model.total < _HARDLY_SHOWN)
        age = (now - model.first) / _DAY_S
        new &= np.isnan(age) | ((age >= 0) & (age < _NEW_DAYS))
        new[seen] = False
        rows = np.flatnonzero(new)
        if not len(rows):
            return rows
        alike = model.vectors[rows] @ recall.recent_vector()
        best = np.lexsort((rows, model.total[rows], -np.round(alike, 6)))
        return rows[best[: max(1, count // 10)]]


def _scales(path: Path) -> Scales:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return {kind: Scale(np.array(each["marks"], np.float64), each["is_rating"]) for kind, each in found.items()}
    except (OSError, ValueError, KeyError) as error:
        raise Terminal(f"{path} holds no scales of values: {error}; train the personal order again") from error


def _trust(events: int) -> float:
    return events / (events + _TRUST)


def _by_row(model: Model, weights: Mapping[str, float]) -> list[tuple[int, float]]:
    return list(zip(model.rows_of(list(weights)).tolist(), weights.values(), strict=True))


def _share(score: float, plain: float) -> float:
    moved = abs(score - plain)
    return moved / (moved + abs(plain)) if moved else 0.0
