"""What is kept of one person, told or erased: the event log in OSS and the store that serves.

An erasure leaves a mark (a hash of tenant and user, and the moment): events from before it that arrive late, from a
process that had not uploaded them yet or from a replay, are left out by whoever reads the log with ``kept``. A sender's
clock may be ahead by ``AHEAD_S``, so what is stamped until so long after the erasure counts as done before it. Models
learn from the log alone, so the next training has never heard of the person.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from searchloom.cloud.oss import Oss
from searchloom.errors import NotFound, Terminal
from searchloom.personalization.events import seconds
from searchloom.personalization.heard import AHEAD_S, key_of
from searchloom.personalization.store import Store

log = logging.getLogger(__name__)

_EVENTS = "events/"
_MARKS = "privacy/erased/"
_DEFAULT = "default"


def export(oss: Oss, user_id: str, *, tenant: str = _DEFAULT, store: Store | None = None) -> dict[str, Any]:
    """Everything that is known of a person, as JSON; a person of whom nothing is known has empty lists."""
    events = [
        event
        for info in oss.list(_EVENTS)
        for line in oss.get(info.key).splitlines()
        if (event := _event(line)) is not None and _is_of(event, user_id, tenant)
    ]
    known: dict[str, Any] = {"user_id": user_id, "tenant": tenant, "events": events}
    if store is not None:
        known["store"] = stored(store, user_id, tenant=tenant)
    return known


def stored(store: Store, user_id: str, *, tenant: str = _DEFAULT) -> dict[str, Any]:
    """What a store that serves knows of a person, as JSON."""
    person = store.get(key_of(user_id, tenant))
    return {
        "items": person.items,
        "interests": person.interests,
        "categories": person.categories,
        "first": person.first,
        "last": person.last,
        "mean_vector": [] if person.mean is None else person.mean.tolist(),
    }


def erase(oss: Oss, user_id: str, *, tenant: str = _DEFAULT, store: Store | None = None) -> dict[str, int]:
    """Erase a person; doing it again is harmless. Returns counts of ``events``, ``files`` and persons in the store.

    The mark is set first, so that a run that is broken off has already kept the person out of what is read.
    """
    moment = time.time()
    oss.put_json(f"{_MARKS}{key_of(user_id, tenant).hex()}.json", {"time": moment})
    gone = files = 0
    for info in list(oss.list(_EVENTS)):
        lines = oss.get(info.key).splitlines()
        others = [line for line in lines if not _is_of(_event(line) or {}, user_id, tenant)]
        if len(others) == len(lines):
            continue
        gone, files = gone + len(lines) - len(others), files + 1
        if others:
            oss.put(info.key, b"\n".join(others) + b"\n", content_type="application/x-ndjson")
        else:
            oss.delete(info.key)
    stored = int(store.erase(key_of(user_id, tenant))) if store is not None else 0
    log.info("a person was erased: %d events of %d files", gone, files)
    return {"events": gone, "files": files, "persons": stored}


class Marks:
    """The marks of erasures, each fetched once: a person's key (hexadecimal) -> until when what he did is forgotten.

    In seconds since 1970, ``AHEAD_S`` after the erasure.
    """

    def __init__(self) -> None:
        self._etags: dict[str, str] = {}
        self._moments: dict[str, float] = {}

    def read(self, oss: Oss) -> dict[str, float]:
        """All marks as of now."""
        there = {info.key: info.etag for info in oss.list(_MARKS)}
        for key, etag in there.items():
            if self._etags.get(key) != etag:
                try:
                    self._moments[key] = float(oss.get_json(key)["time"]) + AHEAD_S
                except NotFound:
                    continue
                self._etags[key] = etag
        return {
            key.removeprefix(_MARKS).removesuffix(".json"): moment
            for key, moment in self._moments.items()
            if key in there
        }


def erased(oss: Oss) -> dict[str, float]:
    """The marks as of now."""
    return Marks().read(oss)


def mark_versions(oss: Oss) -> set[tuple[str, str]]:
    """What tells that there are other marks than before: their keys with their ETags, in one request a thousand."""
    return {(info.key, info.etag) for info in oss.list(_MARKS)}


def kept(events: Iterable[Mapping[str, Any]], marks: Mapping[str, float]) -> Iterator[Mapping[str, Any]]:
    """The events that no erasure is about; what a person does ``AHEAD_S`` after his erasure counts again."""
    for event in events:
        mark = marks.get(key_of(str(event.get("user_id")), str(event.get("tenant") or _DEFAULT)).hex())
        if mark is None or _moment(event) > mark:
            yield event


def _moment(event: Mapping[str, Any]) -> float:
    """When it happened; an event without a time is an old one."""
    try:
        return seconds(event.get("time"))
    except Terminal:
        return 0.0


def _event(line: bytes) -> dict[str, Any] | None:
    try:
        event = json.loads(line)
    except ValueError:
        return None
    return event if isinstance(event, dict) else None


def _is_of(event: Mapping[str, Any], user_id: str, tenant: str) -> bool:
    return event.get("user_id") == user_id and (event.get("tenant") or _DEFAULT) == tenant
