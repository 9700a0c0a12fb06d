"""The daily look for drift: reads the event log, writes the report, says what it found."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from searchloom.cloud.oss import Oss
from searchloom.embedding import model
from searchloom.embedding.encoder import Encoder
from searchloom.evaluation.drift import clicks, queries, vectors, windows
from searchloom.evaluation.drift.report import Figure, Report, write
from searchloom.evaluation.drift.windows import Days
from searchloom.personalization import logged
from searchloom.personalization.privacy import erased
from searchloom.release import registry
from searchloom.settings import Drift, Settings

log = logging.getLogger(__name__)

_QUERIES = "queries"


def look(oss: Oss, *, corpus: str, day: str, settings: Settings) -> dict[str, Any]:
    """Compare the days up to ``day`` (``YYYY-MM-DD``) with those before them; repeating it replaces the report.

    Returns ``{"report": key, "verdict", "figures": name -> verdict}``. People who were erased are in neither window.
    """
    days = Days.until(day, recent=settings.drift.days, reference=settings.drift.reference_days)
    keys = [info.key for one in days.all for info in logged.files_of(oss, one)]
    rows = logged.rows(oss, keys, corpus=corpus, marks=erased(oss), known=logged.Known())
    report = compared(rows, days, corpus=corpus, settings=settings.drift, encode=_encode(oss, corpus, settings))
    for figure in report.figures:
        level = logging.WARNING if figure.verdict == "drifted" else logging.INFO
        log.log(level, "corpus %s: %s: %s", corpus, figure.name, figure.sentence)
    for one in report.new_queries:
        log.info("corpus %s: new: %r, asked by %d people", corpus, one.query, one.people)
    where = write(oss, report)
    verdicts = {figure.name: figure.verdict for figure in report.figures}
    return {"report": where, "verdict": report.verdict, "figures": verdicts}


def compared(
    rows: Iterable[Mapping[str, Any]], days: Days, *, corpus: str, settings: Drift, encode: vectors.Encode | None
) -> Report:
    """The report over the events of both windows; ``encode`` is called only where there are enough people.

    None: no model serves yet.
    """
    behaviour = windows.read(rows, days)
    why = queries.too_few(behaviour, settings)
    figures = [Figure.unknown(_QUERIES, why)] if why else _figures(behaviour, settings, encode)
    return Report(
        corpus=corpus,
        day=days.last,
        created=datetime.now(UTC),
        reference=behaviour.window(recent=False),
        recent=behaviour.window(recent=True),
        figures=figures,
        new_queries=[] if why else queries.new(behaviour),
    )


def _encode(oss: Oss, corpus: str, settings: Settings) -> vectors.Encode | None:
    """The live release's embedding model, loaded when it is needed."""
    release = registry.current(oss, corpus)
    if release is None:
        return None

    def encode(texts: Sequence[str]) -> NDArray[np.float32]:
        folder = model.fetch(oss, release.embedding.version, settings.cache)
        return Encoder(folder, settings.embedding.threads).encode(texts)

    return encode


def _figures(behaviour: windows.Behaviour, settings: Drift, encode: vectors.Encode | None) -> list[Figure]:
    return [
        queries.languages(behaviour, settings),
        queries.lengths(behaviour, settings),
        *queries.unseen(behaviour, settings),
        queries.nothing_found(behaviour, settings),
        vectors.told_apart(behaviour, encode, settings)
        if encode
        else Figure.unknown(vectors.NAME, "no release serves yet"),
        clicks.chosen(behaviour, settings),
    ]
