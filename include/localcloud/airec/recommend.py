"""The recommender of one data set, learned row by row: what comes in counts from the next request on.

The score of an item for a user is made of

- relatedness: how often the users who dealt with an item that this user dealt with lately dealt with this one too, as
  a cosine, with more weight on what the user did last and on what says more (a purchase more than a click);
- popularity: what all users did with it, halved every week.

What the user dealt with already does not come again, what was shown without effect comes later and later, and every
tenth place tries an item that is new and was hardly shown.
"""

from __future__ import annotations

import math
import threading
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from localcloud.airec.tables import Behavior, Item

Key = tuple[str, str]
"""An item's id and type."""

_HALF_LIFE_S = 7 * 86_400
_NEW_S = 14 * 86_400
# What a behaviour says about the interest in the item; an expose says nothing but that it was shown.
_INTEREST: Mapping[str, float] = {
    "expose": 0.0, "click": 1.0, "stay": 1.0, "like": 2.0, "comment": 2.0, "collect": 3.0, "share": 3.0,
    "download": 3.0, "subscribe": 3.0, "cart": 3.0, "tip": 4.0, "buy": 4.0,
    "unlike": -2.0, "dislike": -2.0, "negative": -2.0,
}  # fmt: skip
_OTHER_INTEREST = 1.0
_RECENT = 20
_FADE = 0.9
_POPULARITY_SHARE = 0.2
_IN_VAIN = 0.8
_EXPLORED_EVERY = 10
_HARDLY_SHOWN = 20


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

    def learn(self, items: Sequence[Item], behaviors: Sequence[Behavior], now: float) -> None:
        """Take in what came since ``items_read`` and ``behaviors_read``; what was read by another thread is left."""
        with self._lock:
            for item in items:
                if item.number > self.items_read:
                    self._learn_item(item)
            for behavior in behaviors:
                if behavior.number > self.behaviors_read:
                    self._learn_behavior(behavior, now)

    def recommend(self, wish: Wish, now: float) -> list[Found]:
        """The best items for a user, the best first, ``wish.count`` at most; nobody is told of the same one twice."""
        with self._lock:
            user = self._users.get(wish.user, _User())
            candidates = [key for key, fields in self._items.items() if self._may_come(key, fields, wish, user, now)]
            ranked = self._ranked(candidates, wish, user, now)
            fresh = [key for key in candidates if self._is_new(key, now)]
            fresh.sort(key=lambda key: (self._shown[key], -_seconds(self._items[key], "pub_time"), key))
        return _mixed(ranked, fresh, wish.count)

    def _learn_item(self, item: Item) -> None:
        self.items_read = item.number
        if item.fields is None:
            self._items.pop((item.id, item.type), None)
        else:
            self._items[item.id, item.type] = item.fields

    def _learn_behavior(self, behavior: Behavior, now: float) -> None:
        self.behaviors_read = behavior.number
        fields = behavior.fields
        key = (fields["item_id"], fields["item_type"])
        user = self._users[fields.get("user_id") or fields.get("imei", "")]
        interest = _INTEREST.get(fields["bhv_type"], _OTHER_INTEREST)
        if not interest:
            self._shown[key] += 1
            user.shown[key] += 1
            return
        user.shown.pop(key, None)
        before = user.dealt.pop(key, None)
        recent = [other for other in list(user.dealt)[-_RECENT:] if user.dealt[other] > 0]
        user.dealt[key] = interest if before is None else max(before, interest) if interest > 0 else interest
        if interest > 0:
            self._add_popularity(key, interest, min(float(fields["bhv_time"]), now))
        if before is None and interest > 0:
            self._dealers[key] += 1
            for other in recent:
                self._together[key][other] += 1
                self._together[other][key] += 1

    def _add_popularity(self, key: Key, amount: float, moment: float) -> None:
        score, at = self._popularity.get(key, (0.0, moment))
        latest = max(at, moment)
        self._popularity[key] = (score * _decay(latest - at) + amount * _decay(latest - moment), latest)

    def _may_come(self, key: Key, fields: Mapping[str, str], wish: Wish, user: _User, now: float) -> bool:
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
        related = self._related(wish, user)
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
            weight = max(1.0, float(_seconds(self._items[key], "weight")))
            # The weight of an item is 1 to 100, and 1 is none.
            score *= (1 + (min(weight, 100.0) - 1) / 100) * _IN_VAIN ** user.shown.get(key, 0)
            found.append(Found(key, round(score, 6), source))
        # Of equals the newest, then in a fixed order.
        found.sort(key=lambda each: (-each.score, -_seconds(self._items[each.key], "pub_time"), each.key))
        return found

    def _related(self, wish: Wish, user: _User) -> dict[Key, tuple[float, Key]]:
        """Score by item, and the item that says most for it."""
        told = [(key, 1.0) for key in wish.base]
        if not told:
            recent = list(reversed(user.dealt.items()))[:_RECENT]
            told = [(key, interest * _FADE**age) for age, (key, interest) in enumerate(recent)]
        scores: defaultdict[Key, float] = defaultdict(float)
        reasons: dict[Key, tuple[float, Key]] = {}
        for key, weight in told:
            for other, together in self._together.get(key, {}).items():
                part = weight * together / math.sqrt(self._dealers[key] * self._dealers[other])
                scores[other] += part
                reasons[other] = max(reasons.get(other, (-math.inf, key)), (part, key))
        return {key: (score, reasons[key][1]) for key, score in scores.items() if score > 0}

    def _popularity_now(self, key: Key, now: float) -> float:
        score, at = self._popularity.get(key, (0.0, now))
        return score * _decay(now - at)

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
