"""The daily training of a corpus' personal order, in steps that may each be repeated at any moment.

``plan`` writes down which files of the event log count, so that whoever repeats a step repeats it on the same files.
``train`` holds the way of learning against what serves, on what people did after that was learned; then it learns from
everything and publishes. ``promote`` moves the pointer. The version is a hash of what was planned.
"""

from __future__ import annotations

import hashlib
import json
import logging
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from searchloom.cloud.oss import Oss
from searchloom.corpus import manifest
from searchloom.errors import NotFound, ServiceConflict, ServiceNotFound
from searchloom.personalization import documents, judging, logged, published
from searchloom.personalization.catalog import Catalog
from searchloom.personalization.difference import LEAST_PERSONS, Difference, together
from searchloom.personalization.events import EXPOSE, Event, Log
from searchloom.personalization.learning import columns, learn_all
from searchloom.personalization.privacy import erased
from searchloom.personalization.published import Card
from searchloom.personalization.replay import own_time
from searchloom.personalization.serve import Personal
from searchloom.personalization.trial import SHARE, Sizes
from searchloom.settings import Personal as PersonalSettings

log = logging.getLogger(__name__)

TOO_LITTLE = "too little"
"""The verdict where there is not enough behaviour to learn from."""

_SIZES = Sizes(search_persons=0)


@dataclass(frozen=True, slots=True)
class _Split:
    """Events until a cut and all of them, the first as columns with what came after it."""

    early: Sequence[Event]
    before: Log
    after: Log
    since: float | None  # one moment for everybody; None where each person's own time is cut


def plan(
    oss: Oss, *, corpus: str, day: str | None, run_id: str, settings: PersonalSettings, today: str | None = None
) -> dict[str, Any]:
    """Write down what is learned from: the newest days of the log up to ``day``, or up to today.

    Returns ``{"plan": key, "version", "files", "day"}``; the same run gets the plan that it once made. Raises
    ``NotFound`` for a corpus without documents.
    """
    key = f"personal/{corpus}/runs/{hashlib.sha256(run_id.encode()).hexdigest()[:16]}.json"
    try:
        planned: dict[str, Any] = oss.get_json(key)
    except ServiceNotFound:
        planned = _planned(oss, corpus, day or today or datetime.now(UTC).date().isoformat(), settings)
        try:
            oss.put_json(key, planned, forbid_overwrite=True)
        except ServiceConflict:
            planned = oss.get_json(key)
    log.info("corpus %s: %d files of the event log, up to %s", corpus, len(planned["files"]), planned["day"])
    return {"plan": key, "version": planned["version"], "files": len(planned["files"]), "day": planned["day"]}


def train(oss: Oss, *, plan: str, settings: PersonalSettings, sizes: Sizes = _SIZES) -> dict[str, Any]:
    """Learn, hold it against what serves, publish it unless it loses.

    Returns ``{"corpus", "version", "verdict", "summary"}``: ``better``, ``worse``, ``not enough evidence``, or
    ``too little`` behaviour to learn from; of the last and of ``worse`` nothing is published.
    """
    planned = oss.get_json(plan)
    corpus, version = planned["corpus"], planned["version"]
    try:
        return _told(published.read_card(oss, version))  # an earlier attempt, or a run on the same files
    except NotFound:
        pass
    found = documents.read(oss, corpus)
    rows = logged.rows(oss, planned["files"], corpus=corpus, marks=erased(oss), known=logged.Known())
    events = sorted(logged.events(rows, found.tenants), key=lambda event: (event.time, event.user_id, event.item_id))
    counts = _counts(events)
    if counts["events"] < settings.min_events or counts["persons"] < settings.min_persons:
        summary = (
            f"too little behaviour to learn from: {counts['events']} events, and {counts['persons']} people who did "
            f"two things or more; {settings.min_events} and {settings.min_persons} are needed, nothing is published"
        )
        log.info("corpus %s: %s", corpus, summary)
        return {"corpus": corpus, "version": None, "verdict": TOO_LITTLE, "summary": summary}
    live = _live(oss, corpus)
    against, judged = _judge(events, found.catalog, live, sizes)
    verdict = together(judged)
    summary = _summary(against, judged)
    log.info("corpus %s: %s: %s", corpus, verdict, summary)
    if verdict == "worse":
        return {"corpus": corpus, "version": None, "verdict": verdict, "summary": summary}
    learned = learn_all(events, found.catalog, sizes=sizes)
    card = Card(
        version=version,
        corpus=corpus,
        created=datetime.now(UTC),
        day=planned["day"],
        until=max(event.time for event in events),
        events=counts["events"],
        persons=counts["persons"],
        items=len(found.catalog.items),
        lists=learned.lists,
        embedding=found.embedding,
        weights={"search": learned.personal.searcher.weight, "recommend": learned.personal.ranker.weight},
        against=against,
        verdict=verdict,
        summary=summary,
        metrics={name: value for what, each in judged.items() for name, value in each.figures(what).items()},
    )
    with tempfile.TemporaryDirectory() as folder:
        learned.personal.save(Path(folder))
        return _told(published.publish(oss, Path(folder), card))


def promote(oss: Oss, *, trained: Mapping[str, Any]) -> dict[str, Any]:
    """Let a version that was trained serve, unless what serves learned from later days; old versions are deleted.

    Returns ``{"version": what serves now, "retired": versions}``.
    """
    corpus, version = trained["corpus"], trained["version"]
    live = _serving(oss, corpus)
    if version is None:
        return {"version": live.version if live else None, "retired": []}
    if live and published.read_card(oss, version).until < live.until:
        log.info("corpus %s: %s serves on, it has learned from later events than %s", corpus, live.version, version)
        return {"version": live.version, "retired": []}
    published.point(oss, corpus, version)
    retired = published.retire(oss, corpus)
    log.info("corpus %s: personal model %s serves; %d older ones are deleted", corpus, version, len(retired))
    return {"version": version, "retired": retired}


def _planned(oss: Oss, corpus: str, day: str, settings: PersonalSettings) -> dict[str, Any]:
    seq = manifest.read(oss, corpus).seq
    if not seq:
        raise NotFound(f"corpus {corpus!r} has no documents; run the DAG ingest_corpus for it first")
    files = [info for infos in logged.files(oss, days=settings.days, until=day).values() for info in infos]
    said = json.dumps([corpus, day, seq, [[info.key, info.etag] for info in files]])
    version = f"{corpus}-{day}-{hashlib.sha256(said.encode()).hexdigest()[:10]}"
    return {"corpus": corpus, "day": day, "version": version, "files": [info.key for info in files]}


def _counts(events: Sequence[Event]) -> dict[str, int]:
    """How much was done, and by how many people who did two things or more."""
    did: dict[str, int] = {}
    for event in events:
        if event.type not in EXPOSE:
            did[event.user_id] = did.get(event.user_id, 0) + 1
    return {"events": sum(did.values()), "persons": sum(count > 1 for count in did.values())}


def _live(oss: Oss, corpus: str) -> tuple[Card, Personal] | None:
    """What serves, into memory: its files may go."""
    card = _serving(oss, corpus)
    if card is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        # The files are mapped: they stay readable when their names are gone.
        return card, Personal.load(published.fetch(oss, card.version, Path(folder) / "live"))


def _serving(oss: Oss, corpus: str) -> Card | None:
    """The card of what serves; None where nothing does, or where its files are gone."""
    version = published.current(oss, corpus)
    try:
        return published.read_card(oss, version) if version else None
    except NotFound:
        log.warning("corpus %s: the pointer names %s, which is not there; it counts for nothing", corpus, version)
        return None


def _judge(
    events: Sequence[Event], catalog: Catalog, live: tuple[Card, Personal] | None, sizes: Sizes
) -> tuple[str, dict[str, Difference]]:
    """The way of learning on events until a cut, against the live model, or popularity where that cannot be fair.

    A live model that learned from what came after the cut would be judged by what it was told.
    """
    everything, _ = columns(events, catalog)
    split = _at(live[0].until, events, everything) if live else None
    rival, against = (live[1], live[0].version) if live and split else (None, "")
    split = split or _at(float(np.quantile(everything.time, SHARE)), events, everything) or _own(events, everything)
    candidate = learn_all(split.early, catalog, sizes=sizes).personal
    other = rival or judging.popularity(candidate)
    judged = {"lists": judging.lists(split.before, split.after, candidate, other, sizes)}
    if split.since is not None:
        judged |= judging.searches(events, split.since, candidate, other)
    return against, judged


def _at(cut: float, events: Sequence[Event], everything: Log) -> _Split | None:
    """Everybody's time cut at one moment; None where too few people did something on both sides of it."""
    before = everything.time <= cut
    both = np.intersect1d(everything.user[before], everything.user[~before])
    if len(both) < LEAST_PERSONS:
        return None
    early = [event for event in events if event.time <= cut]
    return _Split(early, everything.only(before), everything.only(~before), cut)


def _own(events: Sequence[Event], everything: Log) -> _Split:
    """Each person's own time cut: for logs in which people come and go."""
    before: NDArray[np.bool_] = own_time(everything, SHARE)
    last = dict.fromkeys(everything.users, -np.inf)
    for user, moment in zip(everything.user[before].tolist(), everything.time[before].tolist(), strict=True):
        last[everything.users[user]] = max(last[everything.users[user]], moment)
    early = [event for event in events if event.time <= last.get(event.user_id, np.inf)]
    return _Split(early, everything.only(before), everything.only(~before), None)


def _summary(against: str, judged: Mapping[str, Difference]) -> str:
    """One sentence."""
    parts = [said for what, each in judged.items() if (said := each.told(what))]
    return f"against {against or 'popularity'}: {', '.join(parts) or 'nobody did anything that could be judged'}"


def _told(card: Card) -> dict[str, Any]:
    return {"corpus": card.corpus, "version": card.version, "verdict": card.verdict, "summary": card.summary}
