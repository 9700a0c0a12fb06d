"""Published apps: a model with instructions of its own and indexes in which it looks things up.

``CreateAndPulishAgent`` (sic) of Bailian makes them; they are asked at ``/api/v1/apps/{id}/completion``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from localcloud.dashscope.catalogue import CLOUD_MODELS
from localcloud.dashscope.errors import DashScopeError
from localcloud.database import Database
from localcloud.timestamps import now_ms

_SCHEMA = """
CREATE TABLE IF NOT EXISTS apps (
    id TEXT PRIMARY KEY, name TEXT NOT NULL, model TEXT NOT NULL, instructions TEXT NOT NULL, index_ids TEXT NOT NULL,
    top_k INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS turns (
    number INTEGER PRIMARY KEY AUTOINCREMENT, app_id TEXT NOT NULL, session_id TEXT NOT NULL, said TEXT NOT NULL,
    answer TEXT NOT NULL, created_ms INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS turns_of_sessions ON turns (app_id, session_id, number);
"""
# The cloud's: a session is remembered for an hour after its last turn, and at most 50 turns of it. Fewer here, where
# the model takes in 8192 tokens.
_SESSION_MS = 3_600_000
_REMEMBERED = 8


@dataclass(frozen=True, slots=True)
class App:
    """An app; ``index_ids`` are looked up unless a call names others, ``top_k`` pieces of text of them."""

    app_id: str
    name: str = ""
    model: str = CLOUD_MODELS[1]
    instructions: str = ""
    index_ids: tuple[str, ...] = ()
    top_k: int = 5


@dataclass(frozen=True, slots=True)
class Reference:
    """A piece of text that was looked up, and the document it is of."""

    index_id: str
    doc_id: str
    doc_name: str
    title: str
    text: str


Retrieve = Callable[[str, Sequence[str], int], list[Reference]]
"""Query, ids of indexes and how many to what was found, the best first; raises ``DashScopeError``."""


class Apps:
    """The apps on disk, and how what they look up is found."""

    def __init__(self, root: Path) -> None:
        self._database = Database(root / "apps.sqlite", _SCHEMA)
        self._retrieve: Retrieve | None = None

    def look_up_with(self, retrieve: Retrieve) -> None:
        """Let apps look indexes up by this."""
        self._retrieve = retrieve

    def publish(self, app: App) -> None:
        """Keep an app; one with the same id is replaced."""
        row = (app.app_id, app.name, app.model, app.instructions, json.dumps(app.index_ids), app.top_k)
        with self._database.transaction() as connection:
            connection.execute("INSERT OR REPLACE INTO apps VALUES (?, ?, ?, ?, ?, ?)", row)

    def get(self, app_id: str) -> App:
        """One app; raises ``NotFound``."""
        with self._database.transaction() as connection:
            row = connection.execute("SELECT * FROM apps WHERE id = ?", (app_id,)).fetchone()
        if row is None:
            raise DashScopeError(404, "NotFound", f"The app {app_id!r} does not exist.")
        indexes = tuple(json.loads(row["index_ids"]))
        return App(row["id"], row["name"], row["model"], row["instructions"], indexes, row["top_k"])

    def turns(self, app_id: str, session_id: str) -> list[tuple[str, str]]:
        """What was said in a conversation and answered, the last turns of the last hour, in order."""
        with self._database.transaction() as connection:
            rows = connection.execute(
                "SELECT said, answer FROM turns WHERE app_id = ? AND session_id = ? AND created_ms > ?"
                " ORDER BY number DESC LIMIT ?",
                (app_id, session_id, now_ms() - _SESSION_MS, _REMEMBERED),
            ).fetchall()
        return [(row["said"], row["answer"]) for row in reversed(rows)]

    def remember(self, app_id: str, session_id: str, said: str, answer: str) -> None:
        """Keep a turn of a conversation; those that are too old to be remembered are forgotten."""
        now = now_ms()
        with self._database.transaction() as connection:
            connection.execute("DELETE FROM turns WHERE created_ms <= ?", (now - _SESSION_MS,))
            connection.execute(
                "INSERT INTO turns (app_id, session_id, said, answer, created_ms) VALUES (?, ?, ?, ?, ?)",
                (app_id, session_id, said, answer, now),
            )

    def look_up(self, query: str, index_ids: Sequence[str], top_k: int) -> list[Reference]:
        """What the indexes say about a query, the best first."""
        if not index_ids:
            return []
        if self._retrieve is None:
            raise DashScopeError(400, "InvalidParameter", "No knowledge base is served here: pipeline_ids")
        return self._retrieve(query, index_ids, top_k)
