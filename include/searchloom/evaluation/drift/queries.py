"""What is asked: its language, its length, how much of it is new, how often nothing is found."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable

from searchloom.evaluation.drift.report import Figure, NewQuery
from searchloom.evaluation.drift.shares import moved, people, tally
from searchloom.evaluation.drift.windows import Behaviour, Search, shifted
from searchloom.query.language import of_query
from searchloom.settings import Drift

_RARE = 0.01  # a kind with a smaller share in both windows is not looked at
_LENGTHS = ((10, "1 to 10 characters"), (20, "11 to 20 characters"), (40, "21 to 40 characters"))
_LONG = "over 40 characters"
_TOLD_PEOPLE = 3  # a query of fewer may tell who asked it
_TOLD = 10

_Shares = tuple[list[list[tuple[str, str]]], list[str]]
"""Person and kind of each search of the reference and of the recent window; and the kinds that are not rare."""


def languages(behaviour: Behaviour, settings: Drift) -> Figure:
    """Shares of the languages, as far as their scripts tell them."""
    found = _shares(behaviour, lambda one: of_query(one.text) or "none")
    return _figure("languages", found, settings)


def lengths(behaviour: Behaviour, settings: Drift) -> Figure:
    """Shares of short and long queries, in characters."""

    def length(one: Search) -> str:
        return next((name for most, name in _LENGTHS if len(one.query) <= most), _LONG)

    return _figure("lengths of queries", _shares(behaviour, length), settings)


def unseen(behaviour: Behaviour, settings: Drift) -> list[Figure]:
    """Shares of queries, and of their words, that nobody had asked in the days before.

    The recent window is held against as many days at the end of the reference, each with equally many days before it.
    """
    names = ("queries never asked before", "words never asked before")
    days = behaviour.days
    back = settings.reference_days - settings.days
    last = shifted(days.middle, -1)
    first = shifted(days.middle, -settings.days)
    if not behaviour.between(days.first, shifted(days.first, settings.days - 1)):
        why = f"the event log has to reach back {settings.days + settings.reference_days} days"
        return [Figure.unknown(name, why) for name in names]
    queries, words = [], []
    for start, end in ((first, last), (days.middle, days.last)):
        known = {one.query for one in behaviour.between(shifted(start, -back), shifted(start, -1))}
        known_words = {word for query in known for word in query.split()}
        asked = behaviour.between(start, end)
        queries.append(tally((one.person, one.query not in known) for one in asked))
        words.append(tally((one.person, word not in known_words) for one in asked for word in one.query.split()))
    figures = []
    for name, (before, after) in zip(names, (queries, words), strict=True):
        if people(before, after) < settings.min_people:
            figures.append(Figure.unknown(name, _few(len(before), len(after), settings)))
        else:
            figures.append(Figure.of(name, [moved("unseen", before, after, threshold=settings.share)]))
    return figures


def nothing_found(behaviour: Behaviour, settings: Drift) -> Figure:
    """The share of searches that found nothing."""
    before, after = (
        tally((one.person, not one.found) for one in behaviour.of(recent=recent)) for recent in (False, True)
    )
    line = moved("nothing found", before, after, threshold=settings.nothing_found)
    return Figure.of("searches that find nothing", [line])


def new(behaviour: Behaviour) -> list[NewQuery]:
    """The queries that most people ask now and nobody asked in the reference."""
    before = {one.query for one in behaviour.of(recent=False)}
    askers: dict[str, set[str]] = defaultdict(set)
    for one in behaviour.of(recent=True):
        if one.query not in before:
            askers[one.query].add(one.person)
    counted = Counter({query: len(who) for query, who in askers.items() if len(who) >= _TOLD_PEOPLE})
    return [NewQuery(query=query, people=count) for query, count in counted.most_common(_TOLD)]


def too_few(behaviour: Behaviour, settings: Drift) -> str:
    """Why nothing can be said at all; empty where there are enough people in both windows."""
    reference, recent = (behaviour.window(recent=recent).people for recent in (False, True))
    return _few(reference, recent, settings) if min(reference, recent) < settings.min_people else ""


def _few(reference: int, recent: int, settings: Drift) -> str:
    return f"{recent} people searched lately and {reference} before, {settings.min_people} each are needed"


def _shares(behaviour: Behaviour, kind: Callable[[Search], str]) -> _Shares:
    sides = [[(one.person, kind(one)) for one in behaviour.of(recent=recent)] for recent in (False, True)]
    counts = [Counter(kind for _, kind in side) for side in sides]
    kinds = sorted(set().union(*counts))
    return sides, [one for one in kinds if any(count[one] >= _RARE * count.total() for count in counts)]


def _figure(name: str, found: _Shares, settings: Drift) -> Figure:
    sides, kinds = found
    lines = []
    for kind in kinds:
        before, after = (tally((person, one == kind) for person, one in side) for side in sides)
        lines.append(moved(kind, before, after, threshold=settings.share, lines=len(kinds)))
    return Figure.of(name, lines)
