"""What was found of drift on one day: ``drift/{corpus}/{day}.json``."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from searchloom.cloud.oss import Oss
from searchloom.errors import ServiceNotFound

log = logging.getLogger(__name__)

Verdict = Literal["drifted", "steady", "too little to say"]

_NAMED = 3  # lines that a sentence names


class Line(BaseModel):
    """One share in both windows, and how far it moved; a threshold counts in both directions."""

    model_config = ConfigDict(frozen=True)

    name: str
    reference: float
    recent: float
    difference: float
    low: float
    high: float
    threshold: float

    @property
    def verdict(self) -> Verdict:
        """What the interval says of the threshold."""
        if self.low > self.threshold or self.high < -self.threshold:
            return "drifted"
        inside = -self.threshold <= self.low and self.high <= self.threshold
        return "steady" if inside else "too little to say"

    @property
    def moved(self) -> float:
        """How far it moved, in thresholds."""
        return abs(self.difference) / self.threshold

    def __str__(self) -> str:
        """The line as words."""
        low, high = 100 * self.low, 100 * self.high
        return f"{self.name} {self.reference:.1%} -> {self.recent:.1%} ({low:+.1f} to {high:+.1f} points)"


class Figure(BaseModel):
    """One thing that may drift, by its lines; ``sentence`` begins with the verdict."""

    model_config = ConfigDict(frozen=True)

    name: str
    verdict: Verdict
    sentence: str
    lines: list[Line] = []

    @classmethod
    def of(cls, name: str, lines: Sequence[Line]) -> Figure:
        """Judge the lines: one that drifted is enough, and all have to be steady."""
        by_verdict: dict[str, list[Line]] = {}
        for line in sorted(lines, key=lambda line: -line.moved):
            by_verdict.setdefault(line.verdict, []).append(line)
        for verdict in ("drifted", "too little to say"):
            if found := by_verdict.get(verdict):
                told = "; ".join(map(str, found[:_NAMED])) + (" and others" if found[_NAMED:] else "")
                reach = f"{found[0].name} counts from {100 * found[0].threshold:.1f} points on"
                return cls(name=name, verdict=verdict, sentence=f"{verdict}: {told}; {reach}", lines=list(lines))
        most = max(lines, key=lambda line: line.moved)
        return cls(name=name, verdict="steady", sentence=f"steady: at most {most}", lines=list(lines))

    @classmethod
    def unknown(cls, name: str, why: str) -> Figure:
        """A figure that nothing can be said of."""
        return cls(name=name, verdict="too little to say", sentence=f"too little to say: {why}")

    @property
    def moved(self) -> float:
        """How far the line moved that moved most, in thresholds; 0 without lines."""
        return max((line.moved for line in self.lines), default=0.0)


class Window(BaseModel):
    """The days of one side, first and last included, and what was read of them."""

    model_config = ConfigDict(frozen=True)

    first: str
    last: str
    searches: int
    people: int


class NewQuery(BaseModel):
    """A query that nobody had asked before, and by how many people it was asked."""

    model_config = ConfigDict(frozen=True)

    query: str
    people: int


class Report(BaseModel):
    """What was found on one day."""

    model_config = ConfigDict(frozen=True)

    corpus: str
    day: str
    created: datetime
    reference: Window
    recent: Window
    figures: list[Figure]
    new_queries: list[NewQuery]

    @property
    def verdict(self) -> Verdict:
        """One figure that drifted is enough, and all have to be steady."""
        verdicts = {figure.verdict for figure in self.figures}
        return "drifted" if "drifted" in verdicts else "steady" if verdicts == {"steady"} else "too little to say"

    def figure(self, name: str) -> Figure:
        """The figure of that name."""
        return next(figure for figure in self.figures if figure.name == name)


def key(corpus: str, day: str) -> str:
    """Where the report of a day (``YYYY-MM-DD``) lies."""
    return f"drift/{corpus}/{day}.json"


def write(oss: Oss, report: Report) -> str:
    """Write a report in place of that of the same day, and return its key."""
    where = key(report.corpus, report.day)
    oss.put(where, report.model_dump_json(indent=1).encode(), content_type="application/json")
    return where


def newest(oss: Oss, corpus: str, count: int) -> list[Report]:
    """The newest reports, newest first; one that cannot be read is left out, and the log says so."""
    keys = sorted((info.key for info in oss.list(key(corpus, "").removesuffix(".json"))), reverse=True)
    found = []
    for one in keys[:count]:
        try:
            found.append(Report.model_validate_json(oss.get(one)))
        except (ValidationError, ServiceNotFound) as error:
            log.warning("%s is no report of drift: %s", one, error)
    return found
