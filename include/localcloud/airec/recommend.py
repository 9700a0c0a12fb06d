"""The recommender of one data set: what comes in counts from the next request on, what was trained ranks.

Candidates come from what goes with the items that a user dealt with lately, from what is popular, from what is new and,
where a model was trained (``learning.py``), from its recall. The score of an item for a user whom the model knows is
the model's probability of a click. For the others, and for items that go with given ones, it is made of

- relatedness: how often the users who dealt with an item that this user dealt with lately dealt with this one too, as
  a cosine, with more weight on what the user did last and on what says more (a purchase more than a click);
- popularity: what all users did with it, halved every week.

What the user dealt with already does not come again, what was shown without effect comes later and later, and every
tenth place tries an item that is new and was hardly shown: to each user the one that is most like what he dealt with.
"""

from __future__ import annotations

import heapq
import math
import threading
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from localcloud.airec.content import vector_of
from localcloud.airec.interests import interest_of
from localcloud.airec.model import Key, Past, Trained
from localcloud.airec.tables import Behavior, Item

_HALF_LIFE_S = 7 * 86_400
_NEW_S = 14 * 86_400
_RECENT = 20
_FADE = 0.9
_TOGETHER = 10  # an item is counted together with so many before it
_MOST_TOGETHER = 600
_POPULARITY_SHARE = 0.2
_IN_VAIN = 0.8
_EXPLORED_EVERY = 10
_HARDLY_SHOWN = 20
_SCANNED = 400  # of fewer items all are candidates
_RECALLED = 120  # candidates of each kind of recall
_BESIDE = 15  # candidates for each of the last items


@dataclass(frozen=True, slots=True)
class Wish:
    """A request: ``user`` is empty for one who is not known, ``base`` are the items to which others are related."""

    user: str
    scene: str
    count: int
    base: Sequence[Key] = ()
    wanted: Callable[[Mapping[str, str]], bool] | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """A recommended item; ``source`` says why: related:ID, popular or new."""

    key: Key
    score: float
    source: str


@dataclass(slots=True)
class _User:
    """Items in the order of the last dealings with them, and how often one was shown in vain."""

    dealt: dict[Key, float] = field(default_factory=dict)
    shown: defaultdict[Key, int] = field(default_factory=lambda: defaultdict(int))


class Recommender:
    """Everything that was learned of a data set; safe to use from several threads."""

    def __init__(self) -> None:
        self.items_read = self.behaviors_read = 0
        self._lock = threading.Lock()
        self._items: dict[Key, dict[str, str]] = {}
        self._popularity: dict[Key, tuple[float, float]] = {}
        self._users: defaultdict[str, _User] = defaultdict(_User)
        self._together: defaultdict[Key, defaultdict[Key, int]] = defaultdict(lambda: defaultdict(int))
        self._dealers: defaultdict[Key, int] = defaultdict(int)
        self._shown: defaultdict[Key, int] = defaultdict(int)
        self._young: set[Key] = set()
        self._popular: tuple[int, list[Key]] = (-1, [])

    def learn(self, items: Sequence[Item], behaviors: Sequence[Behavior], now: float) -> None:
        """Take in what came since ``items_read`` and ``behaviors_read``; what was read by another thread is left."""
        with self._lock:
            for item in items:
                if item.number > self.items_read:
                    self._learn_item(item)
            for behavior in behaviors:
                if behavior.number > self.behaviors_read:
                    self._learn_behavior(behavior, now)

    def recommend(self, wish: Wish, now: float, model: Trained | None = None) -> list[Found]:
        """The best items for a user, the best first, ``wish.count`` at most; nobody is told of the same one twice."""
        with self._lock:
            user = self._users.get(wish.user, _User())
            past = model.past(list(reversed(user.dealt.items()))) if model else None
            fresh = [key for key in self._young if self._is_new(key, now) and self._wanted(key, wish, user, now)]
            candidates = self._candidates(wish, user, now, fresh, model=model, past=past)
            ranked = self._ranked(candidates, wish, user, now)
            if model and past and not wish.base and (past.interests > 0).any():
                ranked = self._by_clicks(ranked, user, now, model, past)
            fresh.sort(key=lambda key: (self._shown[key], -_seconds(self._items[key], "pub_time"), key))
            if model and past and (past.interests > 0).any():
                fresh = self._alike_first(fresh[: 10 * wish.count], model, past)
        return _mixed(ranked, fresh, wish.count)

    def _candidates(
        self, wish: Wish, user: _User, now: float, fresh: Sequence[Key], *, model: Trained | None, past: Past | None
    ) -> list[Key]:
        """What may be recommended: of many items those that some recall names, all where these are too few."""
        if len(self._items) > _SCANNED:
            told = [*wish.base, *list(user.dealt)[-_RECENT:]]
            pool = dict.fromkeys([*self._most_popular(now), *fresh])
            for key in told:
                row: Mapping[Key, int] = self._together.get(key, {})
                pool.update(dict.fromkeys(heapq.nlargest(_BESIDE, row, key=row.__getitem__)))
            if model and past:
                pool.update((model.keys[place], None) for place in model.recalled(past, _RECALLED).tolist())
                base = np.array([model.places[key] for key in wish.base if key in model.places], np.int64)
                related = np.argsort(-model.related(base), kind="stable")[:_RECALLED] if len(base) else base
                pool.update((model.keys[place], None) for place in related.tolist())
            found = [key for key in pool if self._wanted(key, wish, user, now)]
            if len(found) >= wish.count:
                return found
        return [key for key in self._items if self._wanted(key, wish, user, now)]

    def _by_clicks(self, ranked: Sequence[Found], user: _User, now: float, model: Trained, past: Past) -> list[Found]:
        """The same items by the model's probability of a click; those that it does not know come by likeness."""
        known = [each for each in ranked if each.key in model.places]
        places = np.array([model.places[each.key] for each in known], np.int64)
        scores = dict(zip((each.key for each in known), model.clicks(past, places, now).tolist(), strict=True))
        middle = float(np.median(list(scores.values()))) if scores else 0.0
        found = []
        for each in ranked:
            # An item that came after the training has as much of a chance as the middle one.
            score = scores.get(each.key, middle) * self._weight(each.key) * _IN_VAIN ** user.shown.get(each.key, 0)
            found.append(Found(each.key, round(score, 6), each.source))
        found.sort(key=lambda each: (-each.score, each.key))
        return found

    def _alike_first(self, fresh: Sequence[Key], model: Trained, past: Past) -> list[Key]:
        """New items, those first that are most like what the user dealt with last."""
        recent = model.vectors[past.places[past.interests > 0][:_RECENT]].mean(axis=0)
        likeness = {key: round(float(vector_of(self._items[key]) @ recent), 4) for key in fresh}
        return sorted(fresh, key=lambda key: (-likeness[key], self._shown[key], key))

    def _most_popular(self, now: float) -> list[Key]:
        """The most popular items of now, looked up anew only when something was learned."""
        if self._popular[0] != self.behaviors_read:
            best = heapq.nlargest(_RECALLED, self._popularity, key=lambda key: self._popularity_now(key, now))
            self._popular = (self.behaviors_read, best)
        return self._popular[1]

    def _learn_item(self, item: Item) -> None:
        self.items_read = item.number
        key = (item.id, item.type)
        self._young.discard(key)
        if item.fields is None:
            self._items.pop(key, None)
            return
        self._items[key] = item.fields
        if _seconds(item.fields, "pub_time"):
            self._young.add(key)

    def _learn_behavior(self, behavior: Behavior, now: float) -> None:
        self.behaviors_read = behavior.number
        fields = behavior.fields
        key = (fields["item_id"], fields["item_type"])
        user = self._users[fields.get("user_id") or fields.get("imei", "")]
        interest = interest_of(fields)
        if not interest:
            self._shown[key] += 1
            user.shown[key] += 1
            return
        user.shown.pop(key, None)
        before = user.dealt.pop(key, None)
        recent = [other for other in list(user.dealt)[-_TOGETHER:] if user.dealt[other] > 0]
        user.dealt[key] = interest if before is None else max(before, interest) if interest > 0 else interest
        if interest > 0:
            self._add_popularity(key, interest, min(float(fields["bhv_time"]), now))
        if before is None and interest > 0:
            self._dealers[key] += 1
            for other in recent:
                self._count_together(key, other)
                self._count_together(other, key)

    def _count_together(self, key: Key, other: Key) -> None:
        row = self._together[key]
        row[other] += 1
        if len(row) > _MOST_TOGETHER:
            # What came together once or twice is left out, or the table would grow with the square of the items.
            kept = heapq.nlargest(_MOST_TOGETHER // 2, row.items(), key=lambda each: each[1])
            row.clear()
            row.update(kept)

    def _add_popularity(self, key: Key, amount: float, moment: float) -> None:
        score, at = self._popularity.get(key, (0.0, moment))
        latest = max(at, moment)
        self._popularity[key] = (score * _decay(latest - at) + amount * _decay(latest - moment), latest)

    def _wanted(self, key: Key, wish: Wish, user: _User, now: float) -> bool:
        fields = self._items.get(key)
        if fields is None:
            return False
        scenes = fields.get("scene_id", "")
        return (
            fields.get("status") != "0"
            and not 0 < _seconds(fields, "expire_time") <= now
            and (not scenes or wish.scene in scenes.split(","))
            and key not in user.dealt
            and key not in wish.base
            and (wish.wanted is None or wish.wanted(fields))
        )

    def _ranked(self, candidates: Sequence[Key], wish: Wish, user: _User, now: float) -> list[Found]:
        related = self._related(wish, user, candidates)
        highest = max((score for score, _ in related.values()), default=0.0)
        popularity = {key: self._popularity_now(key, now) for key in candidates}
        most = max(popularity.values(), default=0.0)
        found = []
        for key in candidates:
            score = _POPULARITY_SHARE * popularity[key] / most if most else 0.0
            source = "popular"
            if key in related and highest > 0:
                score += related[key][0] / highest
                source = f"related:{related[key][1][0]}"
            score *= self._weight(key) * _IN_VAIN ** user.shown.get(key, 0)
            found.append(Found(key, round(score, 6), source))
        # Of equals the newest, then in a fixed order.
        found.sort(key=lambda each: (-each.score, -_seconds(self._items[each.key], "pub_time"), each.key))
        return found

    def _related(self, wish: Wish, user: _User, candidates: Sequence[Key]) -> dict[Key, tuple[float, Key]]:
        """Score by item, and the item that says most for it."""
        told = [(key, 1.0) for key in wish.base]
        if not told:
            recent = list(reversed(user.dealt.items()))[:_RECENT]
            told = [(key, interest * _FADE**age) for age, (key, interest) in enumerate(recent)]
        scores: defaultdict[Key, float] = defaultdict(float)
        reasons: dict[Key, tuple[float, Key]] = {}
        for key, weight in told:
            row: Mapping[Key, int] = self._together.get(key, {})
            named = row if len(row) <= len(candidates) else candidates
            for other in named:
                together = row.get(other, 0)
                if not together:
                    continue
                part = weight * together / math.sqrt(self._dealers[key] * self._dealers[other])
                scores[other] += part
                reasons[other] = max(reasons.get(other, (-math.inf, key)), (part, key))
        return {key: (score, reasons[key][1]) for key, score in scores.items() if score > 0}

    def _popularity_now(self, key: Key, now: float) -> float:
        score, at = self._popularity.get(key, (0.0, now))
        return score * _decay(now - at)

    def _weight(self, key: Key) -> float:
        """What its owner gives an item: its weight is 1 to 100, and 1 is none."""
        weight = max(1.0, float(_seconds(self._items[key], "weight")))
        return 1 + (min(weight, 100.0) - 1) / 100

    def _is_new(self, key: Key, now: float) -> bool:
        return self._shown[key] < _HARDLY_SHOWN and _seconds(self._items[key], "pub_time") > now - _NEW_S


def _mixed(ranked: Sequence[Found], fresh: Sequence[Key], count: int) -> list[Found]:
    """The ranked items with every tenth place left to a new one that would not have come by itself."""
    places = len(range(_EXPLORED_EVERY - 1, count, _EXPLORED_EVERY))
    chosen = list(ranked[: count - places])
    taken = {each.key for each in chosen}
    explored = [key for key in fresh if key not in taken][:places]
    taken.update(explored)
    chosen += [each for each in ranked if each.key not in taken][: count - len(chosen) - len(explored)]
    scores = {each.key: each.score for each in ranked}
    for number, key in enumerate(explored, start=1):
        chosen.insert(number * _EXPLORED_EVERY - 1, Found(key, scores[key], "new"))
    return chosen


def _decay(age_s: float) -> float:
    return float(0.5 ** (max(0.0, age_s) / _HALF_LIFE_S))


def _seconds(fields: Mapping[str, str], name: str) -> int:
    value = fields.get(name, "")
    return int(value) if value.isdecimal() and value.isascii() else 0
