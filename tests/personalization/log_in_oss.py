"""A corpus of two tastes in OSS, ingested as the DAG does it, and people who search and choose in it."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from searchloom.cloud.oss import Oss
from searchloom.schemas import doc_id
from searchloom.settings import Settings
from tests.corpus.runs import Runs

TASTES = {"garden": "rose soil seed hedge lawn", "space": "rocket orbit moon star probe"}
EACH = 20


def name(taste: str, number: int) -> str:
    return f"{taste}/{number}.md"


def ingest(oss: Oss, corpus: str, settings: Settings) -> None:
    """Put the documents there, and make chunks of them."""
    runs = Runs(oss, corpus, settings)
    runs.put(
        {
            name(taste, number): f"# Notes {number} on the {taste}\n\nNotes of week {number}: {words}."
            for taste, words in TASTES.items()
            for number in range(EACH)
        }
    )
    assert runs.run()["new"] == len(TASTES) * EACH


def ids(corpus: str) -> dict[str, list[str]]:
    """The documents of each taste."""
    return {taste: [doc_id(corpus, name(taste, number)) for number in range(EACH)] for taste in TASTES}


def taste_of(user: str) -> str:
    return list(TASTES)[int(user.rpartition("-")[2]) % len(TASTES)]


def event(user: str, item: str, kind: str, moment: datetime, **more: Any) -> dict[str, Any]:
    return {
        "event_id": uuid.uuid4().hex,
        "time": moment.isoformat(timespec="milliseconds"),
        "user_id": user,
        "tenant": "default",
        "type": kind,
        "item_id": item,
        **more,
    }


def behaviour(
    corpus: str, *, persons: int = 60, rounds: int = 6, first: datetime | None = None, seed: int = 4
) -> list[dict[str, Any]]:
    """Everybody searches once a round, is shown ten documents and chooses those of his taste that are new to him."""
    generator = np.random.default_rng(seed)
    start = first or datetime.now(UTC) - timedelta(days=rounds)
    everything = [item for each in ids(corpus).values() for item in each]
    mine = ids(corpus)
    done: dict[str, set[str]] = {}
    found = []
    for turn in range(rounds):
        for person in range(persons):
            user, trace = f"user-{person}", uuid.uuid4().hex
            moment = start + timedelta(hours=20 * turn, seconds=person)
            known = {"corpus": corpus, "trace_id": trace, "scene": "search", "query": "notes", "release": 1}
            chosen = 0
            for place, item in enumerate(generator.choice(everything, 10, replace=False).tolist(), start=1):
                told = {"scores": {"relevance": 1.0 - place / 20, "bm25": 3.0 - place / 10}}
                found.append(event(user, item, "expose", moment, position=place, **known, **told))
                looks = generator.random() < place**-0.3
                if item in mine[taste_of(user)] and item not in done.setdefault(user, set()) and looks and chosen < 3:
                    chosen += 1
                    done[user].add(item)
                    found.append(event(user, item, "click", moment + timedelta(seconds=40), **known))
    return found


def write(oss: Oss, rows: Iterable[Mapping[str, Any]], name: str = "test") -> list[str]:
    """Put events into the log, by day; returns the keys."""
    days: dict[str, list[bytes]] = {}
    for row in rows:
        days.setdefault(row["time"][:10], []).append(json.dumps(row, separators=(",", ":")).encode() + b"\n")
    keys = {f"events/dt={day}/{name}.jsonl": b"".join(lines) for day, lines in days.items()}
    for key, data in keys.items():
        oss.put(key, data)
    return [*keys]
