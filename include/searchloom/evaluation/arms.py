"""The arms of an experiment, by what people did with the searches that they were shown.

People are dealt out, so people are the unit: a search is a success where something of it was chosen, and the intervals
of the rates come from the delta method over people (Deng, Knoblich and Lu, "Applying the delta method in metric
analytics", KDD 2018). Before anything is believed, a chi-square test says whether people were dealt out as they should
have been (a sample ratio mismatch: Fabijan et al., KDD 2019); below p = .001 they were not, and no figure counts.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from scipy.stats import chisquare

from searchloom.cloud.oss import Oss
from searchloom.errors import NotFound, UsageError
from searchloom.evaluation import interleaved
from searchloom.personalization import logged
from searchloom.personalization.events import EMPTY, EXPOSE, INTERESTS
from searchloom.personalization.privacy import erased
from searchloom.settings import Experiment

ALPHA, POWER = 0.05, 0.8
SMALLEST = 0.05
"""The relative difference that an experiment should be able to show."""
MISMATCH = 0.001

_SEARCH = "search"


@dataclass(slots=True)
class Counts:
    """What became of one person's searches."""

    lists: int = 0
    successes: int = 0
    shown: int = 0
    chosen: int = 0


@dataclass(slots=True)
class _Lists:
    """Searches by person and trace: their arm, what they showed, what of that was chosen."""

    arm: dict[tuple[str, str], str] = field(default_factory=dict)
    shown: dict[tuple[str, str], set[str]] = field(default_factory=lambda: defaultdict(set))
    chosen: dict[tuple[str, str], set[str]] = field(default_factory=lambda: defaultdict(set))


@dataclass(frozen=True, slots=True)
class Rate:
    """A rate over people, and the variance that one person contributes to it."""

    people: int
    value: float
    variance: float

    @property
    def error(self) -> float:
        """Its standard error."""
        return math.sqrt(self.variance / self.people) if self.people else 0.0

    @classmethod
    def of(cls, hits: Iterable[int], tries: Iterable[int]) -> Rate:
        """The sum of hits over the sum of tries, each of one person."""
        hit, tried = np.array([*hits], np.float64), np.array([*tries], np.float64)
        if not tried.sum():
            return cls(len(tried), 0.0, 0.0)
        value = float(hit.sum() / tried.sum())
        residuals: NDArray[np.float64] = (hit - value * tried) / tried.mean()
        return cls(len(tried), value, float(residuals.var(ddof=1)) if len(tried) > 1 else 0.0)


def evaluate(oss: Oss, corpus: str, experiment: Experiment, *, days: int) -> dict[str, Any]:
    """Read the newest days of the event log and compare the arms of an experiment with its first one.

    An experiment that was interleaved is told by its log, whatever the settings say now: the report then has
    ``interleaved`` in place of ``arms``. Raises ``UsageError`` where no experiment is named, ``NotFound`` where nobody
    was in one of its arms.
    """
    if not experiment.name:
        raise UsageError("no experiment runs; name one by --experiment, or by the settings experiment.name and .arms")
    keys = [info.key for files in logged.files(oss, days=days).values() for info in files]
    marks = erased(oss)

    def rows() -> Iterable[Mapping[str, Any]]:
        return logged.rows(oss, keys, corpus=corpus, marks=marks, known=logged.Known())

    # The log is long: it is read a second time only where the settings are wrong about an experiment that is over.
    for read in (_interleaved, _split) if experiment.interleaved else (_split, _interleaved):
        if found := read(rows(), experiment):
            return {"corpus": corpus, "experiment": experiment.name, **found}
    raise NotFound(f"nobody was in an arm of experiment {experiment.name!r} in corpus {corpus!r} yet")


def counted(rows: Iterable[Mapping[str, Any]], experiment: str) -> tuple[dict[str, list[Counts]], int]:
    """The people of each arm; and how many were in several: they are in none of them."""
    lists = _Lists()
    for row in rows:
        name = (f"{row.get('tenant') or 'default'}\0{row.get('user_id')}", str(row.get("trace_id") or ""))
        if not name[1]:
            continue
        if row.get("type") in EXPOSE:
            group, _, arm = str(row.get("arm") or "").partition("/")
            if group == experiment and arm and row.get("scene") == _SEARCH:
                lists.arm[name] = arm
                lists.shown[name] |= set() if row["type"] == EMPTY else {str(row.get("item_id"))}
        elif INTERESTS.get(str(row.get("type")), 0.0) > 0:
            lists.chosen[name].add(str(row.get("item_id")))
    arms: dict[str, set[str]] = defaultdict(set)
    for (person, _), arm in lists.arm.items():
        arms[person].add(arm)
    people: dict[tuple[str, str], Counts] = defaultdict(Counts)
    for name, arm in lists.arm.items():
        if len(arms[name[0]]) == 1:
            counts, chosen = people[arm, name[0]], lists.shown[name] & lists.chosen.get(name, set())
            counts.lists += 1
            counts.successes += bool(chosen)
            counts.shown += len(lists.shown[name])
            counts.chosen += len(chosen)
    by_arm: dict[str, list[Counts]] = defaultdict(list)
    for (arm, _), counts in sorted(people.items()):
        by_arm[arm].append(counts)
    return dict(by_arm), sum(len(each) > 1 for each in arms.values())


def compared(people: Mapping[str, list[Counts]], experiment: Experiment) -> dict[str, Any]:
    """Each arm's figures, and its difference to the first one; the order is that of the settings."""
    names = [*experiment.arms, *sorted(people.keys() - experiment.arms.keys())]
    successes = {name: _success(people.get(name, [])) for name in names}
    first = names[0]
    report = {}
    for name in names:
        mine = people.get(name, [])
        clicks = Rate.of((one.chosen for one in mine), (one.shown for one in mine))
        report[name] = {
            "people": len(mine),
            "searches": sum(one.lists for one in mine),
            "success": _figures(successes[name]),
            "click_rate": _figures(clicks),
            **({"against": first, **_difference(successes[first], successes[name])} if name != first else {}),
        }
    return {"arms": report, "mismatch": _mismatch(people, experiment)}


def show(report: Mapping[str, Any], console: Console) -> None:
    """The report as people read it."""
    if "interleaved" in report:
        interleaved.show(report, console)
        return
    table = Table(title=f"{report['experiment']}, corpus {report['corpus']}")
    for heading in ("arm", "people", "searches", "success (95 %)", "clicks of shown", "difference (95 %)", "verdict"):
        table.add_column(heading, justify="left" if heading in {"arm", "verdict"} else "right")
    for name, one in report["arms"].items():
        rate, clicks = one["success"], one["click_rate"]
        told = f"{one['difference']:+.3f} ({one['low']:+.3f} to {one['high']:+.3f})" if "difference" in one else ""
        table.add_row(
            name,
            f"{one['people']:,}",
            f"{one['searches']:,}",
            f"{rate['mean']:.3f} ({rate['low']:.3f} to {rate['high']:.3f})",
            f"{clicks['mean']:.3f}",
            told,
            one.get("verdict", ""),
        )
    console.print(table)
    mismatch = report["mismatch"]
    if mismatch and mismatch["alarm"]:
        console.print(
            f"[red]People were not dealt out as the settings say (p = {mismatch['p']:.1g}): trust no figure.[/]"
        )
    if report["crossed"]:
        console.print(f"{report['crossed']:,} people were in several arms and are left out")


def _split(rows: Iterable[Mapping[str, Any]], experiment: Experiment) -> dict[str, Any] | None:
    people, crossed = counted(rows, experiment.name)
    return {"crossed": crossed, **compared(people, experiment)} if people else None


def _interleaved(rows: Iterable[Mapping[str, Any]], experiment: Experiment) -> dict[str, Any] | None:
    found = interleaved.searches(rows, experiment.name)
    return interleaved.judged(found, experiment) if found else None


def _success(people: list[Counts]) -> Rate:
    return Rate.of((one.successes for one in people), (one.lists for one in people))


def _figures(rate: Rate) -> dict[str, float]:
    reach = NormalDist().inv_cdf(1 - ALPHA / 2) * rate.error
    return {
        "mean": round(rate.value, 5),
        "low": round(max(rate.value - reach, 0.0), 5),
        "high": round(min(rate.value + reach, 1.0), 5),
    }


def _difference(first: Rate, other: Rate) -> dict[str, Any]:
    """Difference, interval, p, and whether that is enough to tell ``SMALLEST``, or how many people more it takes."""
    normal = NormalDist()
    error = math.hypot(first.error, other.error)
    difference = other.value - first.value
    reach = normal.inv_cdf(1 - ALPHA / 2) * error
    p = 2 * (1 - normal.cdf(abs(difference) / error)) if error else 1.0
    effect = SMALLEST * first.value
    powered = normal.inv_cdf(1 - ALPHA / 2) + normal.inv_cdf(POWER)
    needed = math.ceil(powered**2 * (first.variance + other.variance) / effect**2) if effect and error else None
    missing = None if needed is None else max(needed - min(first.people, other.people), 0)
    told = p < ALPHA and error > 0
    more = 0 if told else missing
    if told:
        verdict = "better" if difference > 0 else "worse"
    elif more is None:
        verdict = "nothing to tell yet"
    elif more:
        verdict = f"not enough: {more:,} more people in each arm"
    else:
        verdict = f"no difference of {SMALLEST:.0%} or more"
    figures = {"difference": difference, "low": difference - reach, "high": difference + reach, "p": p}
    return {**{name: round(value, 5) for name, value in figures.items()}, "more_people": more, "verdict": verdict}


def _mismatch(people: Mapping[str, list[Counts]], experiment: Experiment) -> dict[str, Any] | None:
    """Whether the arms have as many people as their shares say; None where no shares are known."""
    if len(experiment.arms) < 2:
        return None
    seen = np.array([len(people.get(name, [])) for name in experiment.arms], np.float64)
    shares = np.array([arm.share for arm in experiment.arms.values()])
    p = float(chisquare(seen, shares / shares.sum() * seen.sum()).pvalue) if seen.sum() else 1.0
    return {"p": p, "alarm": p < MISMATCH}
