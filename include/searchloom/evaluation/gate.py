"""The verdict over a candidate, and the report that says why: ``gates/{corpus}/{run_id}.json``."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from statistics import fmean
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from searchloom.evaluation.significance import Comparison, Strata, compare, differences
from searchloom.settings import EngineName

Verdict = Literal["better", "worse", "not enough evidence"]
By = Literal["opensearch", "elasticsearch", "both engines", "model alone"]
Values = Mapping[str, float]
"""query_id -> nDCG@10."""

SHOWN = 20
"""Queries that the report names as lost, and as won."""

_NEAR = 1.5  # a busy machine slows both sides
_MARGIN_FROM = 10  # queries: the mean of fewer says nothing


class Rules(BaseModel):
    """What a candidate has to show; every number is an nDCG@10 unless it says otherwise."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    min_gain: float = Field(default=0.005, ge=0, description="a smaller gain is not worth a change")
    margin: float = Field(default=0.01, ge=0, description="a guard whose mean lies further below 0 stops a promotion")
    forget: float = Field(
        default=0.02, ge=0, description="what may be lost in sets that are not of this corpus's users"
    )
    max_query_ms: float = Field(default=200, gt=0, description="to embed a query, in half of the cases")
    max_rerank_ms: float = Field(default=2000, gt=0, description="to rerank a query's head, in half of the cases")
    max_model_mb: float = Field(default=2048, gt=0, description="size of a model's files")


class Figure(BaseModel):
    """The two sides over one group of queries."""

    model_config = ConfigDict(frozen=True)

    group: str
    by: By
    queries: int
    changed: int = Field(description="queries whose value differs at all")
    live: float
    candidate: float
    gain: float
    low: float
    high: float
    p: float


class Guard(BaseModel):
    """A group in which the candidate must not lose more than ``tolerance``."""

    model_config = ConfigDict(frozen=True)

    figure: Figure
    tolerance: float = 0.0
    state: Literal["kept", "unclear", "lost"]


class Budget(BaseModel):
    """Something that costs users time or machines memory."""

    model_config = ConfigDict(frozen=True)

    name: str
    live: float
    candidate: float
    limit: float
    unit: Literal["ms", "MB"]

    @property
    def kept(self) -> bool:
        """Whether the candidate stays within the limit, or near the live one on a machine where that exceeds it too."""
        return self.candidate <= max(self.limit, _NEAR * self.live)


class QueryDelta(BaseModel):
    """What one query lost or won: nDCG@10, mean of both engines."""

    model_config = ConfigDict(frozen=True)

    query_id: str
    query: str
    stratum: str
    live: float
    candidate: float
    gain: float


class GateReport(BaseModel):
    """Everything that the verdict stands on."""

    corpus: str
    run_id: str
    created: datetime
    named: dict[str, Any] = Field(description="the candidate as it was handed in")
    live: dict[str, Any] = Field(description="the live release: number, embedding, fusion, reranker")
    candidate: dict[str, Any] = Field(description="the candidate as it was judged, weights learned")
    verdict: Verdict
    reasons: list[str]
    combined: Figure
    figures: list[Figure]
    guards: list[Guard]
    budgets: list[Budget]
    queries_needed: int | None = Field(description="that would show such a gain with power .8; None: not the question")
    lost: list[QueryDelta]
    won: list[QueryDelta]
    weights: dict[str, Any] = Field(
        default={}, description="learned on dev: fusion and reranker; what the latter is worth on test"
    )
    rules: Rules = Rules()


class Evidence(BaseModel):
    """What the two sides did, ready to be decided on."""

    combined: Figure
    guards: list[Guard]
    budgets: list[Budget]
    unchanged: bool = Field(description="the candidate names the same models and weights as the live release")


def report_key(corpus: str, run_id: str) -> str:
    """Key of a report in the bucket."""
    return f"gates/{corpus}/{run_id}.json"


def figure(
    group: str, by: By, candidate: Mapping[str, Values], live: Mapping[str, Values]
) -> tuple[Figure, Comparison]:
    """Compare the two sides over strata (stratum -> values) of one group of queries."""
    strata: Strata = {name: differences(values, live[name]) for name, values in candidate.items()}
    found = compare(strata)
    before = {name: {query: live[name][query] for query in values} for name, values in candidate.items()}
    means = [_mean(before), _mean(candidate)]
    return (
        Figure(
            group=group,
            by=by,
            queries=found.queries,
            changed=found.changed,
            live=round(means[0], 4),
            candidate=round(means[1], 4),
            gain=round(found.mean, 4),
            low=round(found.low, 4),
            high=round(found.high, 4),
            p=round(found.p, 4),
        ),
        found,
    )


def guard(of: tuple[Figure, Comparison], rules: Rules, *, tolerance: float = 0.0) -> Guard:
    """Say whether a group was lost: significantly below the tolerance; unclear: only its mean is, by the margin."""
    shown, found = of
    unclear = found.queries >= _MARGIN_FROM and found.mean < -max(tolerance, rules.margin)
    state: Literal["kept", "unclear", "lost"] = "unclear" if unclear else "kept"
    return Guard(figure=shown, tolerance=tolerance, state="lost" if found.lost_more_than(tolerance) else state)


def decide(evidence: Evidence, combined: Comparison, rules: Rules) -> tuple[Verdict, list[str], int | None]:
    """Return the verdict, the reasons as sentences, and how many queries would show such a gain."""
    shown = evidence.combined
    against = [_lost(one) for one in evidence.guards if one.state == "lost"]
    against += [_over(one) for one in evidence.budgets if not one.kept]
    if combined.lost:
        against.insert(0, f"nDCG@10 falls by {-shown.gain:.4f} ({_interval(shown)}) over {shown.queries} queries.")
    if against:
        return "worse", against, None
    doubts = []
    if evidence.unchanged:
        doubts.append("The candidate names the models and weights of the live release: there is nothing to promote.")
    if not combined.gained:
        doubts.append(
            f"The difference in nDCG@10 is {shown.gain:+.4f} ({_interval(shown)}): chance alone does that "
            f"{_often(shown.p)}."
        )
    elif combined.mean < rules.min_gain:
        doubts.append(f"The gain of {shown.gain:.4f} is real but below the {rules.min_gain} that a change is worth.")
    doubts += [_unclear(one) for one in evidence.guards if one.state == "unclear"]
    if not doubts:
        gain = f"nDCG@10 rises by {shown.gain:.4f} ({_interval(shown)}) over {shown.queries} queries"
        return "better", [f"{gain}, and no guarded group of queries is lost."], None
    needed = combined.queries_for(max(combined.mean, rules.min_gain)) if not combined.gained else None
    if needed and not evidence.unchanged:
        effect = max(combined.mean, rules.min_gain)
        enough = f"A gain of {effect:.4f} would have shown: {needed} judged queries are enough for that"
        lacking = f"To show a gain of {effect:.4f} takes about {needed} judged queries"
        doubts.append(f"{enough if needed <= shown.queries else lacking}; there are {shown.queries}.")
    return "not enough evidence", doubts, needed


def query_deltas(
    candidate: Mapping[str, Values], live: Mapping[str, Values], texts: Mapping[str, Mapping[str, str]]
) -> tuple[list[QueryDelta], list[QueryDelta]]:
    """Return the queries that lost most and those that won most, the worst and the best first."""
    moved = [
        QueryDelta(
            query_id=query,
            query=texts[stratum][query],
            stratum=stratum,
            live=round(live[stratum][query], 4),
            candidate=round(value, 4),
            gain=round(value - live[stratum][query], 4),
        )
        for stratum, values in candidate.items()
        for query, value in values.items()
    ]
    moved.sort(key=lambda one: (one.gain, one.query_id))
    lost = [one for one in moved if one.gain < 0][:SHOWN]
    won = [one for one in reversed(moved) if one.gain > 0][:SHOWN]
    return lost, won


def lines(report: GateReport) -> list[str]:
    """The report as people read it in a log."""
    head = f"{'queries':<34}{'by':<15}{'number':>7}{'live':>9}{'candidate':>11}{'gain':>9}   95 % interval"
    rows = [head, *(_line(one, "") for one in (report.combined, *report.figures)), "must not lose:"]
    rows += [_line(one.figure, one.state) for one in report.guards]
    rows += [
        f"{one.name:<34}{'':<15}{'':>7}{one.live:>9.1f}{one.candidate:>11.1f} {one.unit}, limit {one.limit:g}"
        f"{'' if one.kept else '   EXCEEDED'}"
        for one in report.budgets
    ]
    return [*rows, f"verdict: {report.verdict}", *(f"  {reason}" for reason in report.reasons)]


def _line(one: Figure, state: str) -> str:
    interval = f"{one.low:+.4f} to {one.high:+.4f}"
    return (
        f"{one.group:<34}{one.by:<15}{one.queries:>7}{one.live:>9.4f}{one.candidate:>11.4f}{one.gain:>+9.4f}   "
        f"{interval:<20}{state if state != 'lost' else 'LOST'}"
    ).rstrip()


def _mean(strata: Mapping[str, Values]) -> float:
    """Mean of the strata's means with the weights of ``compare``: candidate minus live is the gain."""
    parts = [list(values.values()) for values in strata.values() if values]
    shares = [math.sqrt(len(part)) for part in parts]
    return sum(share * fmean(part) for share, part in zip(shares, parts, strict=True)) / sum(shares) if parts else 0.0


def _interval(shown: Figure) -> str:
    return f"95 % interval {shown.low:+.4f} to {shown.high:+.4f}"


def _often(p: float) -> str:
    return f"{round(100 * p)} times of 100" if p >= 0.005 else "almost never"


def _lost(one: Guard) -> str:
    shown, allowed = one.figure, f", {one.tolerance} are allowed" if one.tolerance else ""
    return f"{_named(shown)}: nDCG@10 falls by {-shown.gain:.4f} ({_interval(shown)}){allowed}."


def _unclear(one: Guard) -> str:
    shown = one.figure
    return f"{_named(shown)}: nDCG@10 may have fallen, by {-shown.gain:.4f} ({_interval(shown)}): no promotion on that."


def _named(shown: Figure) -> str:
    return f"{shown.group[0].upper()}{shown.group[1:]} ({shown.by}, {shown.queries} queries)"


def _over(one: Budget) -> str:
    return f"{one.name[0].upper()}{one.name[1:]} takes {one.candidate:g} {one.unit}; the limit is {one.limit:g}."


def mean_of(engines: Mapping[EngineName, Values]) -> dict[str, float]:
    """Mean of the engines, query by query: one query is one piece of evidence, however many engines answered it."""
    first = next(iter(engines.values()))
    return {query: fmean(values[query] for values in engines.values()) for query in first}
