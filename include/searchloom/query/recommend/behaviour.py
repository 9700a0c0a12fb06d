"""What people did lately, in memory: what each has read, and what is popular in each tenant.

It learns from the events that this process takes, and from the log in OSS what the other processes took. Bounded:
people and documents that nothing was heard of for longest are forgotten first.
"""

from __future__ import annotations

import heapq
import threading
import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence

from searchloom.personalization.heard import key_of
from searchloom.query.auth import Caller
from searchloom.query.events.schema import Record

HALF_LIFE_S = 3 * 86_400.0
"""Of popularity."""
MAX_ITEMS = 20_000  # of a tenant's corpus
MAX_PEOPLE = 50_000
MAX_READ = 100  # documents remembered of a person
MAX_KNOWN = 500_000  # ids of events, so that one that comes twice counts once

INTEREST: Mapping[str, float] = {
    "click": 1.0, "view": 1.0, "dwell": 1.0, "stay": 1.0, "play": 1.0, "rating": 1.0, "like": 2.0, "comment": 2.0,
    "collect": 3.0, "share": 3.0, "download": 3.0, "subscribe": 3.0, "cart": 3.0, "tip": 4.0, "buy": 4.0,
    "unlike": -2.0, "dislike": -2.0, "negative": -2.0, "hide": -2.0,
}  # fmt: skip
"""What an event says of the interest in a document; an expose says nothing."""

_Corpus = tuple[str, str]
_Person = tuple[str, str, str]


class Behaviour:
    """Learns and tells; safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._popular: dict[_Corpus, dict[str, float]] = {}
        self._people: OrderedDict[_Person, OrderedDict[str, float]] = OrderedDict()
        self._known: OrderedDict[int, None] = OrderedDict()
        self._marks: Mapping[str, float] = {}
        self._epoch = time.time()

    def learn(self, record: Record) -> None:
        """Take in one event; one that is known already, and one that was merely shown, changes nothing."""
        interest = INTEREST.get(record.type)
        if interest is None:
            return
        identity = hash((record.tenant, record.user_id, record.event_id))
        with self._lock:
            if identity in self._known or self._was_erased(record):
                return
            self._known[identity] = None
            if len(self._known) > MAX_KNOWN:
                self._known.popitem(last=False)
            self._learn_person(record, interest)
            self._learn_popularity(record, interest)

    def forget(self, marks: Mapping[str, float]) -> None:
        """Forget those who were erased (key in hexadecimal -> moment); what they do afterwards counts again."""
        with self._lock:
            new = {key: moment for key, moment in marks.items() if self._marks.get(key) != moment}
            self._marks = marks
            if new:
                for tenant, user, corpus in list(self._people):
                    if key_of(user, tenant).hex() in new:
                        del self._people[tenant, user, corpus]

    def _was_erased(self, record: Record) -> bool:
        if not self._marks:
            return False
        moment = self._marks.get(key_of(record.user_id, record.tenant).hex())
        return moment is not None and record.time.timestamp() <= moment

    def read(self, caller: Caller, corpus: str) -> Sequence[str]:
        """Documents that this person has dealt with, liked or not, the last one first."""
        with self._lock:
            return list(reversed(self._people.get((caller.access.tenant, caller.user, corpus), ())))

    def liked(self, caller: Caller, corpus: str) -> Sequence[str]:
        """Those of them that they did not turn away from, the last one first."""
        with self._lock:
            dealt = self._people.get((caller.access.tenant, caller.user, corpus), OrderedDict[str, float]())
            return [item for item, interest in reversed(dealt.items()) if interest > 0]

    def popular(self, tenant: str, corpus: str, count: int) -> list[tuple[str, float]]:
        """The documents that a tenant's people dealt with most, lately; with their scores, best first."""
        with self._lock:
            scores = self._popular.get((tenant, corpus), {})
            best = heapq.nlargest(count, ((score, item) for item, score in scores.items() if score > 0))
        fade = self._weight(time.time())
        return [(item, round(score / fade, 6)) for score, item in best]

    def _learn_person(self, record: Record, interest: float) -> None:
        person = (record.tenant, record.user_id, record.corpus)
        dealt = self._people.setdefault(person, OrderedDict())
        self._people.move_to_end(person)
        dealt[record.item_id] = interest
        dealt.move_to_end(record.item_id)
        if len(dealt) > MAX_READ:
            dealt.popitem(last=False)
        if len(self._people) > MAX_PEOPLE:
            self._people.popitem(last=False)

    def _learn_popularity(self, record: Record, interest: float) -> None:
        scores = self._popular.setdefault((record.tenant, record.corpus), {})
        weight = self._weight(record.time.timestamp())
        scores[record.item_id] = scores.get(record.item_id, 0.0) + interest * weight
        if len(scores) > MAX_ITEMS:
            keep = heapq.nlargest(MAX_ITEMS * 9 // 10, scores.items(), key=lambda one: one[1])
            self._popular[record.tenant, record.corpus] = dict(keep)

    def _weight(self, moment: float) -> float:
        """Later events weigh more, instead of earlier ones less: then nothing has to be recounted as time goes by."""
        return float(2.0 ** ((moment - self._epoch) / HALF_LIFE_S))
