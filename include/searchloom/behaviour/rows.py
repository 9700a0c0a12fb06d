"""Events and people as rows of AIRec: what can be sent, and one sentence for what cannot."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from searchloom.behaviour.items import Scheme
from searchloom.behaviour.ledger import User, identity
from searchloom.behaviour.planned import Planned, Refused
from searchloom.cloud import airec_names
from searchloom.cloud.airec_rows import Row, Table, flaw
from searchloom.errors import Terminal
from searchloom.personalization.events import seconds
from searchloom.personalization.store import key_of

TYPES: Mapping[str, str] = {
    "view": "click", "dwell": "stay", "play": "stay", "rating": "evaluate", "hide": "dislike", "negative": "dislike",
}  # fmt: skip
"""What AIRec calls our types of events; the others have the same name there."""

_DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class Clock:
    """What time it is, and how far a sender's clock may be ahead (in seconds) before its event is refused."""

    now: float
    skew_s: float

    def corrected(self, moment: float) -> float:
        """The moment, or now where it lies a little in the future; raises ``Terminal`` where it lies far there."""
        if moment - self.now > self.skew_s:
            said = datetime.fromtimestamp(min(moment, 253_402_300_799), UTC).isoformat(timespec="seconds")
            raise Terminal(f"its time, {said}, lies in the future; correct the sender's clock")
        return min(moment, self.now)


def person_of(event: Mapping[str, Any]) -> str:
    """The person of an event, as ``personalization.privacy`` marks him."""
    return key_of(str(event.get("user_id")), str(event.get("tenant") or "default")).hex()


def behaviour(event: Mapping[str, Any], doc_id: str | None, scheme: Scheme, clock: Clock) -> Planned | Refused:
    """The row of an event about a document; refused where the corpus has no such document, or AIRec has a rule."""
    name, person = f"{identity(event)}", person_of(event)
    try:
        fields, moment = _fields(event, doc_id, scheme, clock)
    except Terminal as error:
        # Never later than now: an erasure has to reach an event whose clock is far ahead.
        moment = min(_moment(event), clock.now)
        return Refused(name, str(error), "check", person, moment, source=event)
    return checked("behavior", Planned(name, Row(fields), person, moment, source=event))


def checked(table: Table, planned: Planned) -> Planned | Refused:
    """The row, unless it breaks a documented rule of AIRec."""
    reason = flaw(table, planned.row)
    return refusal(planned, reason, "check") if reason else planned


def refusal(planned: Planned, reason: str, by: Any) -> Refused:
    """The dead letter of a row."""
    return Refused(planned.id, reason, by, planned.person, planned.time, planned.source, planned.row.fields)


def user(known: User) -> Planned:
    """The row of a person."""
    fields = {
        "user_id": known.user_id,
        "register_time": str(known.first),
        "last_login_time": str(known.last),
        "last_modify_time": str(known.last),
        "source": airec_names.tenant_of(known.user_id),
    }
    return Planned(known.person, Row(fields), known.person, float(known.last))


def told(planned: Planned) -> User:
    """What a person's row says."""
    said = planned.row.fields
    return User(planned.person, said["user_id"], int(said["register_time"]), int(said["last_login_time"]))


def departed(known: User) -> Planned:
    """The row that takes a person out of AIRec; to be sent whatever his erasure covers."""
    return Planned(f"delete-{known.person}", Row({"user_id": known.user_id}, "delete"), known.person, math.inf)


def seen(known: User | None, planned: Planned) -> User:
    """What is known of a person after one more event."""
    moment = int(planned.time)
    user_id = planned.row.fields["user_id"]
    if known is None:
        return User(planned.person, user_id, moment, moment)
    return User(planned.person, user_id, min(known.first, moment), max(known.last, moment))


def is_news(before: User | None, after: User) -> bool:
    """Whether AIRec should hear of a person: once a day is enough."""
    return before is None or before.first != after.first or before.last // _DAY_S != after.last // _DAY_S


def _fields(event: Mapping[str, Any], doc_id: str | None, scheme: Scheme, clock: Clock) -> tuple[dict[str, str], float]:
    for name in ("event_id", "user_id", "item_id", "type"):
        if event.get(name) is None or event[name] == "":  # a set would ask for a hash, which not every value has
            raise Terminal(f"it has no {name}")
    if doc_id is None:
        raise Terminal(f"its tenant has no document {event['item_id']!r} in corpus {scheme.corpus!r}")
    moment = clock.corrected(seconds(event.get("time")))
    if not 0 < moment < math.inf:
        raise Terminal(f"its time is {event.get('time')!r}; write seconds since 1970 or ISO 8601")
    kind = TYPES.get(str(event["type"]), str(event["type"]))
    fields = {
        "user_id": airec_names.user_key(str(event.get("tenant") or "default"), str(event["user_id"])),
        **scheme.key(doc_id),
        "bhv_type": kind,
        "bhv_value": _value(event.get("value")),
        "bhv_time": str(int(moment)),
        "scene_id": scheme.scene_id,
        "login": "1",
        **airec_names.trace_fields(event.get("trace_id")),
    }
    if isinstance(position := event.get("position"), int) and not isinstance(position, bool):
        fields["position"] = str(position)
    if isinstance(scene := event.get("scene"), str) and scene:
        fields["page_id"] = scene
    return fields, moment


def _value(value: Any) -> str:
    """A number without needless decimals; 1, once, where there is none."""
    try:
        number = float(value) if isinstance(value, int | float) else math.nan
    except OverflowError:
        number = math.nan
    if not math.isfinite(number):
        return "1"
    return str(int(number)) if number.is_integer() else f"{number:.3f}"


def _moment(event: Mapping[str, Any]) -> float:
    try:
        moment = seconds(event.get("time"))
    except Terminal:
        return 0.0
    return moment if math.isfinite(moment) else 0.0
