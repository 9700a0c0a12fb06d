"""Groups to train and to judge a ranker with: what each person did last, against what he could have been shown.

Nothing of a person's later events reaches a group's features: the model is fitted on what came before the cut, the
person is rebuilt event by event, and of what came after the cut only the first moment is known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from searchloom.personalization.catalog import Item
from searchloom.personalization.events import Log
from searchloom.personalization.features import FEATURES, Context, features
from searchloom.personalization.model import SOURCES, Model, Recall
from searchloom.personalization.person import Person
from searchloom.personalization.ranker import Group
from searchloom.personalization.replay import person_of
from searchloom.personalization.sparse import Floats, Ints

Others = Callable[[int], Mapping[int, float]]
"""From a user's place in the log to another recommender's weights by item row."""

CANDIDATES = 100
"""Taken of each source."""

_QUERIES = 5  # of one person at most
_LEAST_CANDIDATES = 5


@dataclass(frozen=True, slots=True)
class Case:
    """A person at the cut: what he dealt with, what he liked after it for the first time, and when it begins."""

    user: int
    person: Person
    recall: Recall
    seen: Ints
    liked: Ints
    now: float


def cases(before: Log, after: Log, model: Model, users: Ints) -> Iterator[Case]:
    """The persons of ``users`` who dealt with something before the cut and liked something new after it."""
    for user in users.tolist():
        low, high = np.searchsorted(before.user, [user, user + 1])
        start, end = np.searchsorted(after.user, [user, user + 1])
        seen = np.unique(before.item[low:high]).astype(np.int64)
        liked = np.setdiff1d(after.item[start:end][after.liked[start:end]], seen).astype(np.int64)
        if len(liked) and len(seen):
            person = person_of(before, model, user)
            yield Case(user, person, Recall.of(model, person), seen, liked, float(after.time[start]))


def recalled(recall: Recall, now: float, seen: Ints, *, each: int = CANDIDATES, others: Sequence[int] = ()) -> Ints:
    """Candidates without what was seen: the best of each source, of what is popular, ever and now, and ``others``."""
    model = recall.model
    lists = [recall.scores(source) for source in SOURCES]
    best = [np.setdiff1d(np.array(others, np.int64), seen)]
    for scores in (*lists, model.total.astype(np.float64), model.popularity(now, 7.0)):
        scores[seen] = -np.inf
        count = min(each, len(scores) - len(seen))
        if count > 0:
            best.append(np.argpartition(-scores, count - 1)[:count])
    return np.unique(np.concatenate(best)).astype(np.int64)


def recommended(case: Case, plain: str, others: Mapping[int, float] | None = None) -> Group:
    """The group of a case where nothing was asked for; ``plain`` is the feature whose order stands without a ranker."""
    weights = others or {}
    rows = recalled(case.recall, case.now, case.seen, others=list(weights))
    matches = {"airec": np.array([weights.get(row, np.nan) for row in rows.tolist()])} if others is not None else {}
    lines = features(case.recall, case.person, rows, Context(case.now, matches))
    labels = np.isin(rows, case.liked).astype(np.int32)
    return Group(case.user, rows, lines, labels, _column(lines, plain))


@dataclass(frozen=True, slots=True)
class Queries:
    """Queries for a kind and a decade, the items that answer each, and how well by their words."""

    answers: Mapping[tuple[str, str], Ints]
    words: Mapping[tuple[str, str], Floats]
    of_item: Mapping[int, Sequence[tuple[str, str]]] = field(repr=False)

    @classmethod
    def of(cls, items: Sequence[Item], words: Callable[[str], Floats]) -> Queries:
        """All queries that the items allow; ``words`` scores all items for a text.

        Where no item has a year, a query is a kind alone; where none has a kind either, a decade alone.
        """
        answers: dict[tuple[str, str], list[int]] = {}
        for row, item in enumerate(items):
            decade = f"{item.year // 10 * 10}s" if item.year else ""
            for kind in item.kinds or ("",):
                if kind or decade:
                    answers.setdefault((kind, decade), []).append(row)
        kept = {query: np.array(rows, np.int64) for query, rows in answers.items() if len(rows) >= _LEAST_CANDIDATES}
        of_item: dict[int, list[tuple[str, str]]] = {}
        for query, rows in kept.items():
            for row in rows.tolist():
                of_item.setdefault(row, []).append(query)
        scored = {query: words(" ".join(query).strip())[rows] for query, rows in kept.items()}
        return cls(kept, scored, of_item)

    def for_case(self, case: Case, seed: int) -> list[tuple[str, str]]:
        """The queries to which the person later liked an answer; of many a few are drawn."""
        found = sorted({query for row in case.liked.tolist() for query in self.of_item.get(row, ())})
        if len(found) <= _QUERIES:
            return found
        drawn = np.random.default_rng([seed, case.user]).choice(len(found), _QUERIES, replace=False)
        return [found[number] for number in sorted(drawn.tolist())]


def searched(
    case: Case, queries: Queries, seed: int, others: Mapping[int, float] | None = None
) -> dict[tuple[str, str], Group]:
    """A group for each query of a case: its answers that were not seen, plainly in the order of popularity."""
    asked = queries.for_case(case, seed)
    if not asked:
        return {}
    rows = np.setdiff1d(np.concatenate([queries.answers[query] for query in asked]), case.seen)
    # What does not depend on the query is made once for all of them.
    weights = np.array([others.get(row, np.nan) for row in rows.tolist()]) if others is not None else None
    context = Context(case.now, {"airec": weights} if weights is not None else {})
    lines = features(case.recall, case.person, rows, context)
    found = {}
    for query in asked:
        answers, places, own = np.intersect1d(queries.answers[query], rows, return_indices=True)
        mine = lines[own]
        mine[:, FEATURES.index("bm25")] = queries.words[query][places]
        labels = np.isin(answers, case.liked).astype(np.int32)
        if len(answers) >= _LEAST_CANDIDATES and labels.any():
            found[query] = Group(case.user, answers, mine, labels, _column(mine, "popularity"))
    return found


def thinned(group: Group, most: int, seed: int) -> Group:
    """The group with at most ``most`` of its negatives, drawn: to train on."""
    negative = np.flatnonzero(group.labels == 0)
    if len(negative) <= most:
        return group
    drawn = np.random.default_rng([seed, group.person]).choice(negative, most, replace=False)
    kept = np.sort(np.concatenate([np.flatnonzero(group.labels), drawn]))
    return Group(group.person, group.rows[kept], group.lines[kept], group.labels[kept], group.plain[kept])


def _column(lines: NDArray[np.float32], name: str) -> Floats:
    return np.nan_to_num(lines[:, FEATURES.index(name)].astype(np.float64))
