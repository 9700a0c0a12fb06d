"""Which of two orders people chose more of, where searches showed both in one list.

What was chosen is credited to the team that placed it (``searchloom.query.interleaving``); a search is won by the team
of which more was chosen. A winner is named only where two tests agree that take people, not searches, as the unit: the
exact binomial test over people, each for the order that won more of his searches, and the bootstrap interval of the
share of searches won, people drawn (Chapelle, Joachims, Radlinski and Yue, "Large-scale validation and analysis of
interleaved search evaluation", TOIS 2012). Before that an exact test asks whether each team came first as often as a
coin has it; below p = .001 no figure counts.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from statistics import NormalDist
from typing import Any

import numpy as np
from rich.console import Console
from scipy.stats import binomtest

from searchloom.personalization.events import EXPOSE, INTERESTS
from searchloom.personalization.ranker import interval
from searchloom.settings import Experiment

ALPHA, POWER = 0.05, 0.8
MISMATCH = 0.001
PREFERENCE = 0.55
"""The share of the searches won, of those that either won, that an experiment should be able to show."""

_SEARCH = "search"


@dataclass(slots=True)
class Shown:
    """One search of one person: who placed what, as far as one team alone did, and what was chosen of it."""

    query: str = ""
    teams: dict[str, str] = field(default_factory=dict)
    places: dict[str, int] = field(default_factory=dict)
    chosen: set[str] = field(default_factory=set)

    @property
    def first(self) -> str | None:
        """The team that placed the first of what tells them apart; None where the head of the list was not shown."""
        if not self.teams or min(self.places.values(), default=0) != 1:
            return None
        return self.teams[min(self.teams, key=self.places.__getitem__)]

    def credit(self, team: str) -> int:
        """How much was chosen of what a team placed."""
        return sum(self.teams.get(item) == team for item in self.chosen)


Searches = Mapping[tuple[str, str], Shown]
"""By person (tenant, a zero, user) and trace."""


@dataclass(slots=True)
class Won:
    """One person's searches that either team won."""

    first: int = 0
    second: int = 0


def searches(rows: Iterable[Mapping[str, Any]], experiment: str) -> Searches:
    """The interleaved searches of an experiment, with what became of them."""
    found: dict[tuple[str, str], Shown] = defaultdict(Shown)
    chosen: dict[tuple[str, str], set[str]] = defaultdict(set)
    for row in rows:
        name = (f"{row.get('tenant') or 'default'}\0{row.get('user_id')}", str(row.get("trace_id") or ""))
        item = str(row.get("item_id"))
        if not name[1]:
            continue
        if row.get("type") in EXPOSE:
            if row.get("arm") == experiment and row.get("scene") == _SEARCH and isinstance(row.get("position"), int):
                one = found[name]
                one.query = str(row.get("query") or "")
                one.places[item] = row["position"]
                if row.get("team"):
                    one.teams[item] = str(row["team"])
        elif INTERESTS.get(str(row.get("type")), 0.0) > 0:
            chosen[name].add(item)
    for name, one in found.items():
        one.chosen = chosen.get(name, set())
    return dict(found)


def judged(found: Searches, experiment: Experiment) -> dict[str, Any]:
    """Wins of both orders, how sure they are, and how many more searches it takes; the first arm is the measure."""
    names = _names(found, experiment)
    won = _won(found, names)
    people, firsts = len({person for person, _ in found}), sum(one.first for one in won.values())
    seconds = sum(one.second for one in won.values())
    decided = firsts + seconds
    differing = sum(bool(one.teams) for one in found.values())
    low, high = _interval(won)
    ahead = [one.first > one.second for one in won.values() if one.first != one.second]
    p = float(binomtest(sum(ahead), len(ahead)).pvalue) if ahead else 1.0
    mismatch = _mismatch(found, names)
    winner = _winner(names, (low, high), p) if not mismatch["alarm"] else None
    more = 0 if winner else _more_searches(won, len(found))
    return {
        "interleaved": {
            "arms": list(names),
            "people": people,
            "searches": len(found),
            "differing": differing,
            "wins": dict(zip(names, (firsts, seconds), strict=True)),
            "ties": differing - decided,
            "people_for": dict(zip(names, (sum(ahead), len(ahead) - sum(ahead)), strict=True)),
            "share": {
                "mean": round(firsts / decided, 5) if decided else 0.5,
                "low": round(low, 5),
                "high": round(high, 5),
            },
            "p": p,
            "more_searches": more,
            "winner": winner,
            "verdict": _verdict(winner, more, differing, alarm=mismatch["alarm"]),
        },
        "mismatch": mismatch,
    }


def show(report: Mapping[str, Any], console: Console) -> None:
    """The report as people read it."""
    one, (first, second) = report["interleaved"], report["interleaved"]["arms"]
    share = one["share"]
    console.print(f"[bold]{report['experiment']}, corpus {report['corpus']}[/]: {first} and {second} in one list")
    console.print(
        f"{one['searches']:,} searches of {one['people']:,} people; the orders differed in {one['differing']:,}: "
        f"{first} won {one['wins'][first]:,}, {second} {one['wins'][second]:,}, {one['ties']:,} were ties"
    )
    console.print(
        f"{first} won {share['mean']:.1%} ({share['low']:.1%} to {share['high']:.1%}) of those that either won; "
        f"{one['people_for'][first]:,} people are for {first}, {one['people_for'][second]:,} for {second} "
        f"(p = {one['p']:.2g})"
    )
    console.print(f"[{'red' if report['mismatch']['alarm'] else 'bold'}]{one['verdict']}[/]")


def _names(found: Searches, experiment: Experiment) -> tuple[str, str]:
    """The two arms: those of the settings, unless the log knows others (of an experiment that is over)."""
    known = sorted({team for one in found.values() for team in one.teams.values()})
    ours = len(experiment.arms) == 2 and set(known) <= experiment.arms.keys()
    first, second = [*experiment.arms] if ours else [*known, "first", "second"][:2]
    return first, second


def _won(found: Searches, names: tuple[str, str]) -> dict[str, Won]:
    won: dict[str, Won] = defaultdict(Won)
    for (person, _), one in found.items():
        first, second = one.credit(names[0]), one.credit(names[1])
        won[person].first += first > second
        won[person].second += second > first
    return {person: one for person, one in won.items() if one.first or one.second}


def _interval(won: Mapping[str, Won]) -> tuple[float, float]:
    """Of the share of searches that the first order won; everything is possible where nothing was won."""
    if not won:
        return 0.0, 1.0
    persons = [number for number, one in enumerate(won.values()) for _ in range(one.first + one.second)]
    signs = [sign for one in won.values() for sign in [1.0] * one.first + [0.0] * one.second]
    return interval(np.array(signs), persons)


def _winner(names: tuple[str, str], share: tuple[float, float], p: float) -> str | None:
    if p >= ALPHA or share[0] <= 0.5 <= share[1]:
        return None
    return names[0] if share[0] > 0.5 else names[1]


def _more_searches(won: Mapping[str, Won], searches_: int) -> int | None:
    """How many more searches it takes to tell ``PREFERENCE``; None where no search was won by anybody yet.

    The sample of a binomial test, larger by as much as searches of one person are alike (the design effect).
    """
    tries = np.array([one.first + one.second for one in won.values()], np.float64)
    if not len(tries):
        return None
    decided = float(tries.sum())
    share = sum(one.first for one in won.values()) / decided
    residuals = np.array([one.first for one in won.values()]) - share * tries
    binomial = share * (1 - share) * decided
    effect = max(1.0, float((residuals**2).sum()) / binomial) if binomial else 1.0
    normal = NormalDist()
    reach = normal.inv_cdf(1 - ALPHA / 2) + normal.inv_cdf(POWER)
    needed = effect * (reach * 0.5 / (PREFERENCE - 0.5)) ** 2
    return max(math.ceil((needed - decided) * searches_ / decided), 0)


def _verdict(winner: str | None, more: int | None, differing: int, *, alarm: bool) -> str:
    if alarm:
        return "not enough evidence: the teams did not come first equally often, trust no figure"
    if winner:
        return f"{winner} wins"
    if not differing:
        return "not enough evidence: the orders were the same in every search"
    if more is None:
        return "not enough evidence: nothing was chosen of what one of them alone placed"
    if more:
        return f"not enough evidence: {more:,} more searches"
    return f"not enough evidence of any difference: {PREFERENCE:.0%} of the searches won would have shown"


def _mismatch(found: Searches, names: tuple[str, str]) -> dict[str, Any]:
    """Whether each team came first as often as the coin has it.

    A person who asks the same again is shown the same, so that it counts once.
    """
    firsts = {(person, one.query): one.first for (person, _), one in sorted(found.items()) if one.first in names}
    count = sum(team == names[0] for team in firsts.values())
    p = float(binomtest(count, len(firsts)).pvalue) if firsts else 1.0
    return {"first": dict(zip(names, (count, len(firsts) - count), strict=True)), "p": p, "alarm": p < MISMATCH}
