"""What the board shows of a corpus, gathered from OSS: releases, reports of the gate, learning curves."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from pydantic import ValidationError

from searchloom.cloud.oss import Oss
from searchloom.embedding.card import Kind, model_prefix
from searchloom.errors import ServiceNotFound
from searchloom.evaluation.drift import report as drift
from searchloom.evaluation.gate import GateReport
from searchloom.release import registry
from searchloom.release.document import Release
from searchloom.settings import ENGINES, EngineName

log = logging.getLogger(__name__)

REPORTS = 20
"""Reports shown, the newest."""
DRIFT_DAYS = 30
"""Days whose drift is shown as a line."""


@dataclass(frozen=True)
class Curve:
    """Where the picture of a training lies."""

    kind: Kind
    version: str


@dataclass(frozen=True)
class Judged:
    """One report of the gate, the release that came of it, and the trainings behind it."""

    report: GateReport
    release: int | None
    curves: list[Curve]


@dataclass(frozen=True)
class Board:
    """Everything on the page for one corpus."""

    corpus: str
    corpora: list[str]
    live: Release | None
    before: int | None
    releases: list[Release]
    judged: list[Judged]
    drift: list[drift.Report]

    @property
    def both_engines(self) -> list[EngineName]:
        """The engines, in the order of the columns."""
        return list(ENGINES)


def corpora(oss: Oss) -> list[str]:
    """Names of the corpora that were ever released, sorted."""
    keys = (entry.key.split("/") for entry in oss.list("releases/"))
    return sorted({parts[1] for parts in keys if len(parts) == 3})


def read(oss: Oss, corpus: str) -> Board:
    """Gather the board of one corpus; without releases the page says what to do."""
    releases = [registry.get(oss, corpus, number) for number in reversed(registry.numbers(oss, corpus))]
    live = registry.current(oss, corpus)
    by_report = {release.gate.report: release.number for release in releases if release.gate}
    judged = [Judged(report, by_report.get(key), _curves(oss, report)) for key, report in _reports(oss, corpus)]
    before = live.previous if live else None
    return Board(corpus, corpora(oss), live, before, releases, judged, drift.newest(oss, corpus, DRIFT_DAYS))


def curve(oss: Oss, kind: Kind, version: str) -> bytes:
    """The picture of a training, SVG; ``ServiceNotFound`` where there is none."""
    return oss.get(_curve_key(kind, version))


def _curve_key(kind: Kind, version: str) -> str:
    return f"{model_prefix(version, kind)}curve.svg"


def _reports(oss: Oss, corpus: str) -> list[tuple[str, GateReport]]:
    """The newest reports, newest first; one that cannot be read is left out, and the log says so."""
    entries = sorted(oss.list(f"gates/{corpus}/"), key=lambda entry: entry.last_modified, reverse=True)
    found: list[tuple[str, GateReport]] = []
    for entry in entries[:REPORTS]:
        try:
            found.append((entry.key, GateReport.model_validate_json(oss.get(entry.key))))
        except (ValidationError, ServiceNotFound) as error:
            log.warning("%s is no report of the gate: %s", entry.key, error)
    return found


def _curves(oss: Oss, report: GateReport) -> list[Curve]:
    """Trainings of the candidate that left a picture; the base model has none."""
    kinds: tuple[Kind, ...] = ("embedding", "reranker")
    named = [(kind, (report.candidate.get(kind) or {}).get("version", "")) for kind in kinds]
    return [Curve(kind, version) for kind, version in named if version and oss.exists(_curve_key(kind, version))]
