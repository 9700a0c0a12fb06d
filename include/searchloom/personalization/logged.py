"""The event log in OSS, as personalization reads it: one corpus, each event once, nobody who was erased."""

from __future__ import annotations

import json
import logging
from collections import OrderedDict, defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from searchloom.errors import NotFound, Terminal
from searchloom.personalization.events import Event, event_of
from searchloom.personalization.privacy import kept

if TYPE_CHECKING:
    from searchloom.cloud.oss import ObjectInfo, Oss

log = logging.getLogger(__name__)

_PREFIX = "events/dt="
_SHOWN = b'"type":"expose"'
_REMEMBERED = 500_000
_AHEAD = 8  # files that are fetched at once


class Known:
    """Events that were read: the log holds an event at least once, and it must count once. The oldest are forgotten."""

    def __init__(self) -> None:
        self._ids: OrderedDict[int, None] = OrderedDict()

    def add(self, event: Mapping[str, Any]) -> bool:
        """Note an event; whether it is new."""
        identity = hash((event.get("tenant"), event.get("user_id"), event.get("event_id")))
        if identity in self._ids:
            return False
        self._ids[identity] = None
        if len(self._ids) > _REMEMBERED:
            self._ids.popitem(last=False)
        return True


def files(oss: Oss, *, days: int, until: str = "9999-12-31") -> dict[str, list[ObjectInfo]]:
    """The files of the newest ``days`` days that hold any, up to the day ``until``; days in order."""
    by_day: dict[str, list[ObjectInfo]] = defaultdict(list)
    for info in oss.list(_PREFIX):
        day = info.key.removeprefix(_PREFIX).partition("/")[0]
        if day <= until and info.key.endswith(".jsonl"):
            by_day[day].append(info)
    return {day: by_day[day] for day in sorted(by_day)[-days:]}


def files_of(oss: Oss, day: str) -> list[ObjectInfo]:
    """The files of one day (``YYYY-MM-DD``)."""
    return [info for info in oss.list(f"{_PREFIX}{day}/") if info.key.endswith(".jsonl")]


def rows(
    oss: Oss, keys: Iterable[str], *, corpus: str, marks: Mapping[str, float], known: Known, shown: bool = True
) -> Iterator[Mapping[str, Any]]:
    """Yield the events of files; lines that are none are counted and left out, files that are gone passed over.

    ``marks`` say who was erased and when. Without ``shown``, what only says that something was shown is passed over.
    """
    broken = [0]

    def parsed() -> Iterator[Mapping[str, Any]]:
        for content in _contents(oss, keys):
            for line in content.splitlines():
                if not shown and _SHOWN in line:
                    continue
                try:
                    row = json.loads(line)
                    if (row.get("corpus") or "default") == corpus and known.add(row):
                        yield row
                except (ValueError, AttributeError):
                    broken[0] += bool(line.strip())

    yield from kept(parsed(), marks)
    if broken[0]:
        log.warning("%d lines of the event log are no events; they are left out", broken[0])


def _contents(oss: Oss, keys: Iterable[str]) -> Iterator[bytes]:
    """Yield what files hold, in their order, a few of them fetched ahead: there are many, and each is small."""

    def fetched(key: str) -> bytes:
        try:
            return oss.get(key)
        except NotFound:  # an erasure may have emptied it
            return b""

    with ThreadPoolExecutor(_AHEAD) as pool:
        under_way: deque[Future[bytes]] = deque()
        for key in keys:
            under_way.append(pool.submit(fetched, key))
            if len(under_way) == _AHEAD:
                yield under_way.popleft().result()
        while under_way:
            yield under_way.popleft().result()


def events(found: Iterable[Mapping[str, Any]], tenants: Mapping[str, str]) -> Iterator[Event]:
    """The events about documents that there are, done by people of the document's tenant; ``tenants`` by document.

    People are called ``tenant``, a zero, ``user``: those of two tenants are never the same one.
    """
    broken = 0
    for row in found:
        tenant = str(row.get("tenant") or "default")
        try:
            event = event_of({**row, "user_id": f"{tenant}\0{row['user_id']}"})
        except (Terminal, KeyError, TypeError, ValueError, AttributeError):
            broken += 1
            continue
        if tenants.get(event.item_id) == tenant:
            yield event
    if broken:
        log.warning("%d events of the log make no sense; they are left out", broken)
