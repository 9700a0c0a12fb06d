"""What the syncs with AIRec keep of one person: notes of what AIRec holds, rows on their way, dead letters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from searchloom.behaviour import dead_letters, run_files
from searchloom.behaviour.ledger import Ledger, among, identity
from searchloom.behaviour.planned import TABLES, Planned
from searchloom.cloud.oss import Oss
from searchloom.personalization.heard import key_of


def export(oss: Oss, user: str, *, tenant: str, events: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """For each instance and corpus that something is kept for: the person's row, events, dead letters; as JSON.

    ``events`` are the person's events in the log: those that AIRec has taken are told by their ``event_id``, as the
    notes hold hashes of them alone.
    """
    found = []
    for instance, corpus in _pairs(oss):
        mine = _of(oss, instance, corpus, key_of(user, tenant).hex(), events)
        if any(mine.values()):
            found.append({"instance": instance, "corpus": corpus, **mine})
    return found


def _of(oss: Oss, instance: str, corpus: str, person: str, events: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    ledger = Ledger(oss, instance, corpus)
    row = ledger.users().get(person)
    taken = among(np.array([identity(event) for event in events], np.int64), ledger.sent(since=""))
    return {
        "user": asdict(row) if row else None,
        "waiting": [asdict(one) for one in ledger.state().waiting if one.person == person],
        "events": [event.get("event_id") for event, there in zip(events, taken.tolist(), strict=True) if there],
        "on_the_way": list(_on_the_way(oss, instance, corpus, person)),
        "dead_letters": [
            {"key": key, **asdict(one)}
            for table in TABLES
            for key, refused in dead_letters.read(oss, instance, corpus, table)
            for one in refused
            if one.person == person
        ],
    }


def _on_the_way(oss: Oss, instance: str, corpus: str, person: str) -> Iterator[dict[str, Any]]:
    """The rows of plans that are not yet done with."""
    for info in oss.list(run_files.folder(instance, corpus)):
        if info.key.endswith(".jsonl"):
            rows = map(Planned.of_line, oss.get(info.key).splitlines())
            yield from ({"key": info.key, **asdict(row)} for row in rows if row.person == person)


def _pairs(oss: Oss) -> list[tuple[str, str]]:
    """Every (instance, corpus) that was ever synchronised."""
    keys = [info.key.split("/") for prefix in ("airec/", "dead_letters/", "runs/airec/") for info in oss.list(prefix)]
    found = set()
    for parts in keys:
        if parts[0] == "airec":
            found.add((parts[1], parts[2]))
        elif parts[0] == "runs":
            found.add((parts[2], parts[3]))
        elif parts[2] == "airec":
            found.add((parts[3], parts[1]))
    return sorted(found)
