"""The files of the event log that are outstanding: new ones, and those that were rewritten, of whatever day."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from searchloom.behaviour.ledger import Ledger
from searchloom.cloud.oss import ObjectInfo, Oss
from searchloom.errors import ServiceNotFound
from searchloom.personalization.events import EMPTY

log = logging.getLogger(__name__)

_LOG = "events/dt="


@dataclass(frozen=True, slots=True)
class LogFile:
    """A file of the event log."""

    day: str
    name: str
    etag: str

    @property
    def key(self) -> str:
        """Its key."""
        return f"{_LOG}{self.day}/{self.name}"


def outstanding(oss: Oss, ledger: Ledger, *, before: datetime | None, window_days: int) -> list[LogFile]:
    """The files that AIRec has not had, in the order of their days.

    ``before``: leave what was written then or later to a later run, and look at the ``window_days`` days before it,
    as events come late; None: look at everything there is.
    """
    found: list[LogFile] = []
    by_day: dict[str, list[ObjectInfo]] = {}
    for prefix in _prefixes(before, window_days):
        for info in oss.list(prefix):
            if info.key.endswith(".jsonl") and (before is None or info.last_modified < before):
                by_day.setdefault(info.key.removeprefix(_LOG).split("/")[0], []).append(info)
    for day in sorted(by_day):
        known = ledger.files(day)
        for info in by_day[day]:
            name = info.key.removeprefix(f"{_LOG}{day}/")
            if known.get(name) != info.etag:
                found.append(LogFile(day, name, info.etag))
    return found


def events(oss: Oss, file: LogFile, corpus: str) -> tuple[Sequence[Mapping[str, Any]], int]:
    """The events of a file that are about documents of a corpus, and how many lines held no event.

    A file that is gone is empty.
    """
    try:
        lines = oss.get(file.key).splitlines()
    except ServiceNotFound:  # its people were erased since it was listed
        return [], 0
    found, broken = list(_events(lines)), sum(1 for line in lines if line.strip())
    mine = [event for event in found if (event.get("corpus") or "default") == corpus and event.get("type") != EMPTY]
    return mine, broken - len(found)


def _events(lines: Sequence[bytes]) -> Iterator[Mapping[str, Any]]:
    for line in lines:
        try:
            event = json.loads(line)
            if b"\\ud" in line.lower():  # half a character, which nobody can write down again
                json.dumps(event, ensure_ascii=False).encode()
        except ValueError:
            continue
        if isinstance(event, dict):
            yield event


def first_day(before: datetime, window_days: int) -> str:
    """The first day of those that a run looks at."""
    return (before.date() - timedelta(days=window_days)).isoformat()


def _prefixes(before: datetime | None, window_days: int) -> Iterator[str]:
    if before is None:
        yield _LOG
        return
    first = date.fromisoformat(first_day(before, window_days))
    # The day after, too: the clock of a sender may be a little ahead.
    for age in range(window_days + 2):
        yield f"{_LOG}{(first + timedelta(days=age)).isoformat()}/"
