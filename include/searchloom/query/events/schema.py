"""An event, as it is sent and as it is written down."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from searchloom.personalization.heard import AHEAD_S
from searchloom.query.auth import Caller
from searchloom.settings import CORPUS_PATTERN

EventType = Literal[
    "expose", "click", "view", "dwell", "stay", "play", "rating", "like", "unlike", "dislike", "collect", "share",
    "comment", "download", "subscribe", "cart", "buy", "tip", "hide", "negative",
]  # fmt: skip

MAX_EVENTS = 500
"""Of one request."""
OLDEST = timedelta(days=30)
AHEAD = timedelta(seconds=AHEAD_S)
"""How far a sender's clock may be ahead."""

_ID = r"^[A-Za-z0-9._:-]{1,64}$"
_NAME = r"^[A-Za-z0-9._:/-]{0,64}$"


_EXAMPLE = {
    "event_id": "0b9c4a5e-6f3c-4a55-9a1b-2f6f2f7ad2c1",
    "type": "click",
    "item_id": "5f0c1a0d9f3b4c8e8a6e0a4f2f7b9c11",
    "corpus": "default",
    "position": 1,
    "query": "join two tables",
    "scene": "search",
}


class Event(BaseModel):
    """What somebody did with a document, or that it was shown to them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    event_id: Annotated[str, Field(pattern=_ID, description="drawn by the sender; sent twice, it counts once")]
    type: EventType
    item_id: Annotated[str, Field(pattern=_ID, description="doc_id of the document")]
    corpus: Annotated[str, Field(pattern=CORPUS_PATTERN)] = "default"
    time: Annotated[AwareDatetime | None, Field(description="when it was; null: now")] = None
    position: Annotated[int | None, Field(ge=1, le=10_000, description="place in the list, from 1")] = None
    query: Annotated[str | None, Field(max_length=2000)] = None
    value: Annotated[float | None, Field(allow_inf_nan=False, description="e.g. seconds, for dwell")] = None
    trace_id: Annotated[str | None, Field(max_length=512, description="as it came with what was shown")] = None
    scene: Annotated[str | None, Field(pattern=_NAME, description="search, chat, home, similar, rag_context")] = None
    release: Annotated[int | None, Field(ge=1)] = None
    arm: Annotated[str | None, Field(pattern=_NAME, description="of an experiment")] = None


class EventsRequest(BaseModel):
    """Events of the caller; each is judged by itself."""

    model_config = ConfigDict(extra="forbid")

    events: Annotated[
        list[dict[str, Any]],
        Field(
            min_length=1,
            max_length=MAX_EVENTS,
            examples=[[_EXAMPLE]],
            description="each: event_id, type, item_id, and what else is known: corpus, time, position, query, value, "
            "trace_id, scene, release, arm",
        ),
    ]


class Refusal(BaseModel):
    """An event that was not taken."""

    index: int = Field(ge=0, description="place in the request, from 0")
    reason: str


class EventsAnswer(BaseModel):
    """What became of the events: those that are accepted are on disk and will reach the log."""

    accepted: int
    duplicates: int = Field(description="were there already")
    refused: list[Refusal]


class Record(BaseModel):
    """A line of the log, exactly as it lies in OSS."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    event_id: Annotated[str, Field(min_length=1, max_length=128)]
    time: AwareDatetime
    user_id: Annotated[str, Field(min_length=1, max_length=256)]
    tenant: Annotated[str, Field(min_length=1, max_length=256)] = "default"
    type: EventType | Literal["empty"]
    item_id: Annotated[str, Field(min_length=1, max_length=128)]
    position: int | None = None
    query: str | None = None
    trace_id: str | None = None
    release: int | None = None
    arm: str | None = None
    corpus: Annotated[str, Field(pattern=CORPUS_PATTERN)] = "default"
    scene: str | None = None
    value: float | None = None
    scores: dict[str, float] | None = Field(
        default=None, description="of what was shown: the relevance that ordered it, and what each part said"
    )
    team: str | None = Field(
        default=None, description="of what an interleaved search showed: the arm that placed it; absent: neither alone"
    )

    @property
    def day(self) -> str:
        """The day it belongs to, in UTC: ``YYYY-MM-DD``."""
        return self.time.astimezone(UTC).date().isoformat()

    def line(self) -> bytes:
        """The record as a line of the log."""
        moment = self.time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        unsaid = {name for name in ("scores", "team") if getattr(self, name) is None}
        fields = self.model_dump(mode="json", exclude=unsaid) | {"time": moment}
        return json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


_EVENT = TypeAdapter(Event)


def checked(given: dict[str, Any], caller: Caller, now: datetime) -> Record | str:
    """The record of an event that was sent, or one sentence that says why it is none."""
    try:
        event = _EVENT.validate_python(given)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the event"
        return f"{where}: {first['msg']}"
    moment = event.time or now
    if moment > now + AHEAD:
        return f"time: {moment.isoformat()} lies in the future; check the clock"
    if moment < now - OLDEST:
        return f"time: {moment.isoformat()} is more than {OLDEST.days} days ago; import old events instead"
    fields = event.model_dump() | {"time": moment, "user_id": caller.user, "tenant": caller.access.tenant}
    return Record(**fields)


def read_line(line: bytes) -> Record:
    """The record in a line of the log; ``ValueError`` for a line that holds none."""
    return Record.model_validate_json(line)


def log_key(day: str, name: str) -> str:
    """Key of a file of the log."""
    return f"events/dt={day}/{name}.jsonl"
