"""A trial on a behaviour set: who orders best for each person, judged by what each liked later.

Everybody learns from the same events and is asked for the same persons. The personal ranker is trained inside the
learning part alone: a second cut in it gives its groups. Figures are nDCG@10 over all unseen items; differences are
paired, with 95 % bootstrap intervals over persons.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from searchloom.personalization.catalog import Catalog
from searchloom.personalization.events import Event, Log
from searchloom.personalization.features import FEATURES
from searchloom.personalization.fit import Limits, fit
from searchloom.personalization.groups import Case, Others, Queries, cases, recommended, searched, thinned
from searchloom.personalization.model import Model
from searchloom.personalization.peers import peers
from searchloom.personalization.ranker import Group, Ranker, interval, learn, ndcg
from searchloom.personalization.replay import own_time
from searchloom.personalization.sparse import Floats, Ints

log = logging.getLogger(__name__)

SHARE = 0.8
"""Of the events, the first so many are learned from; and of these again, to train the ranker."""

_NEGATIVES = 100
_QUERY_NEGATIVES = 40
_DEPTH = 10


class Recommender(Protocol):
    """Another recommender that learns along: AIRec."""

    def learn(self, events: Log) -> None:
        """Take in events that came since the last call."""

    def recommend(self, user_id: str) -> Mapping[str, float]:
        """What it would show, with its weights."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """Bounds of a trial's time; persons beyond them are drawn."""

    train_persons: int = 1500
    judged_persons: int = 2000
    search_persons: int = 1000
    seed: int = 7
    limits: Limits = field(default_factory=Limits)


@dataclass(slots=True)
class Figures:
    """Values by method, one a person (or a query): ``persons`` says whose."""

    persons: list[int] = field(default_factory=list)
    values: dict[str, list[float]] = field(default_factory=dict)

    def add(self, person: int, values: Mapping[str, float]) -> None:
        """Take in one list's values."""
        self.persons.append(person)
        for name, value in values.items():
            self.values.setdefault(name, []).append(value)

    def report(self, judged: str) -> dict[str, Any]:
        """Means, and the differences of ``judged`` to every other method."""
        means = {name: round(float(np.mean(values)), 5) for name, values in self.values.items()}
        return {
            "persons": len(set(self.persons)),
            "lists": len(self.persons),
            "ndcg@10": means,
            "differences": {
                f"{judged} - {name}": self._difference(judged, name) for name in self.values if name != judged
            },
        }

    def _difference(self, judged: str, name: str) -> dict[str, float | None]:
        if not self.persons:
            return {}
        gains = np.array(self.values[judged]) - np.array(self.values[name])
        low, high = interval(gains, self.persons)
        mean, base = float(gains.mean()), float(np.mean(self.values[name]))
        relative = round(mean / base, 4) if base else None
        return {"mean": round(mean, 5), "low": round(low, 5), "high": round(high, 5), "relative": relative}


@dataclass(frozen=True, slots=True)
class Learned:
    """What the learning part of a split gave: the model, both rankers, and the parts of it."""

    before: Log
    after: Log
    model: Model
    ranker: Ranker
    searcher: Ranker
    plain: str
    others: Others | None


def learned(
    before: Log,
    after: Log,
    catalog: Catalog,
    queries: Queries,
    *,
    sizes: Sizes,
    other: Recommender | None = None,
    lists: bool = True,
    exposures: Iterable[Event] = (),
) -> Learned:
    """Learn model and rankers from ``before`` alone; without ``lists`` only that of searches.

    ``exposures`` go into the model only: what they say of the time after the inner cut must not reach the rankers.
    """
    inner = own_time(before, SHARE)
    early, late = before.only(inner), before.only(~inner)
    others = _others(other, early, before)
    model = fit(early, catalog, limits=sizes.limits)
    users = drawn(np.unique(late.user), sizes.train_persons, sizes.seed)
    groups: list[Group] = []
    asked: list[Group] = []
    for number, case in enumerate(cases(early, late, model, users)):
        weights = others(case.user) if others else None
        if lists:
            groups.append(recommended(case, "ease", weights))
        if number < sizes.search_persons:
            asked += searched(case, queries, sizes.seed, weights).values()
    plain = _plainest(groups)
    train = [thinned(_plainly(group, plain), _NEGATIVES, sizes.seed) for group in groups]
    ranker = learn(train, cautious=False)
    searcher = learn([thinned(group, _QUERY_NEGATIVES, sizes.seed) for group in asked])
    if others:
        others = _others(other, late, before)
    model = fit(before, catalog, exposures, limits=sizes.limits)
    return Learned(before, after, model, ranker, searcher, plain, others)


def judge(found: Learned, sizes: Sizes) -> dict[str, Any]:
    """Everybody's lists for the persons who liked something new later."""
    figures, began = Figures(), time.monotonic()
    users = drawn(np.unique(found.after.user), sizes.judged_persons, sizes.seed)
    rivals = peers(found.before, sizes.limits)
    for part in np.array_split(users, max(1, len(users) // 200)):
        scores = {name: score(part) for name, score in rivals.items()}
        place = {user: number for number, user in enumerate(part.tolist())}
        for case in cases(found.before, found.after, found.model, part):
            mine = {name: value[place[case.user]].astype(np.float64) for name, value in scores.items()}
            figures.add(case.user, _lists(found, case, mine))
    log.info("%d persons judged in %.0f s", len(figures.persons), time.monotonic() - began)
    return figures.report("personal")


def judge_search(found: Learned, queries: Queries, sizes: Sizes) -> dict[str, Any]:
    """The personal order of queries' answers against popularity's, BM25's and EASE's."""
    figures = Figures()
    for case in cases(
        found.before, found.after, found.model, drawn(np.unique(found.after.user), sizes.search_persons, sizes.seed)
    ):
        weights = found.others(case.user) if found.others else None
        for query, group in searched(case, queries, sizes.seed, weights).items():
            words = queries.words[query][np.isin(queries.answers[query], group.rows)]
            figures.add(
                case.user,
                {
                    "personal": ndcg(found.searcher.scores(group.lines, group.plain), group.labels),
                    "popularity": ndcg(group.plain, group.labels),
                    "bm25": ndcg(words, group.labels),
                    "ease": ndcg(case.recall.scores("ease", group.rows), group.labels),
                },
            )
    report = figures.report("personal")
    return {**report, "ranker": {"weight": found.searcher.weight, **asdict(found.searcher.evidence)}}


def drawn(users: NDArray[Any], most: int, seed: int) -> Ints:
    """At most so many of them, drawn with a seed."""
    users = users.astype(np.int64)
    if len(users) <= most:
        return users
    return np.sort(np.random.default_rng(seed).choice(users, most, replace=False))


def shuffled(events: Log, seed: int) -> Log:
    """The same events at the same times, done by anybody: what is popular stays, and persons differ in nothing."""
    return events.of_users(np.random.default_rng(seed).permutation(events.user))


def _lists(found: Learned, case: Case, rivals: Mapping[str, Floats]) -> dict[str, float]:
    weights = found.others(case.user) if found.others else None
    group = _plainly(recommended(case, found.plain, weights), found.plain)
    # Candidates that were left out count as never shown: the ideal list is over everything liked.
    ideal = float((1 / np.log2(np.arange(2, min(_DEPTH, len(case.liked)) + 2))).sum())
    values = {"personal": _gain(group.rows, found.ranker.scores(group.lines, group.plain), case.liked) / ideal}
    if weights is not None:
        rows = np.array(list(weights), np.int64)
        values["airec"] = _gain(rows, np.array(list(weights.values())), case.liked) / ideal
    for name, scores in rivals.items():
        scores[case.seen] = -np.inf
        values[name] = _gain(np.arange(len(scores)), scores, case.liked) / ideal
    return values


def _gain(rows: Ints, scores: Floats, liked: Ints) -> float:
    top = rows[np.argsort(-scores, kind="stable")[:_DEPTH]]
    return float((np.isin(top, liked) / np.log2(np.arange(2, len(top) + 2))).sum())


def _plainest(groups: Sequence[Group]) -> str:
    """The one source that did best on the training groups: what would stand without a ranker."""
    names = ("ease", "ease_all", "neighbours", "factors", "popularity")
    if not groups:
        return "popularity"
    means = {name: np.mean([ndcg(_finite(each.lines[:, FEATURES.index(name)]), each.labels) for each in groups])
             for name in names}  # fmt: skip
    return max(names, key=lambda name: float(means[name]))


def _plainly(group: Group, plain: str) -> Group:
    return replace(group, plain=_finite(group.lines[:, FEATURES.index(plain)]))


def _finite(values: NDArray[np.float32]) -> Floats:
    return np.nan_to_num(values.astype(np.float64))


def _others(other: Recommender | None, news: Log, everything: Log) -> Others | None:
    """Let the other one learn the news; what it says of each person is asked once."""
    if other is None:
        return None
    other.learn(news)
    places = {item_id: row for row, item_id in enumerate(everything.items)}
    asked: dict[int, dict[int, float]] = {}

    def weights(user: int) -> Mapping[int, float]:
        if user not in asked:
            found = other.recommend(everything.users[user])
            asked[user] = {places[item_id]: weight for item_id, weight in found.items() if item_id in places}
        return asked[user]

    return weights
