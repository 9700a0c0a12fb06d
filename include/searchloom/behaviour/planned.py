"""One row on its way to AIRec, and what it was made of."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from searchloom.cloud.airec_rows import Row, Table

TABLES: tuple[Table, ...] = ("item", "user", "behavior")
"""In the order in which they are sent: behaviour is about items and users that are there."""


@dataclass(frozen=True, slots=True)
class Planned:
    """A row, its name within its table, and what is needed to send it, to leave it out and to make it again.

    ``person`` is ``personalization.store.key_of`` in hexadecimal, empty for items; ``time`` (seconds since 1970) is
    when the person did it. ``source`` is what the row was made of: the event, or the document's id.
    """

    id: str
    row: Row
    person: str = ""
    time: float = 0.0
    source: Mapping[str, Any] = field(default_factory=dict)

    def line(self) -> bytes:
        """The row as a line of a batch."""
        return _line(
            {"id": self.id, "cmd": self.row.cmd, "fields": dict(self.row.fields), "person": self.person,
             "time": self.time, "source": dict(self.source)}
        )  # fmt: skip

    @classmethod
    def of_line(cls, line: bytes) -> Planned:
        """Read what ``line`` wrote."""
        said = json.loads(line)
        return cls(said["id"], Row(said["fields"], said["cmd"]), said["person"], said["time"], said["source"])


@dataclass(frozen=True, slots=True)
class Refused:
    """A row, or what should have become one, that AIRec does not hold, and why.

    ``by``: ``check``, before it was sent, or ``airec``. ``id`` is empty where nothing could be read.
    """

    id: str
    reason: str
    by: Literal["check", "airec"]
    person: str = ""
    time: float = 0.0
    source: Mapping[str, Any] = field(default_factory=dict)
    fields: Mapping[str, str] = field(default_factory=dict)

    def line(self) -> bytes:
        """One line of a dead-letter file."""
        return _line(
            {"id": self.id, "reason": self.reason, "by": self.by, "person": self.person, "time": self.time,
             "source": dict(self.source), "fields": dict(self.fields)}
        )  # fmt: skip

    @classmethod
    def of_line(cls, line: bytes) -> Refused:
        """Read what ``line`` wrote."""
        return cls(**json.loads(line))


def _line(said: Mapping[str, Any]) -> bytes:
    return json.dumps(said, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
