"""Items, users and behaviour on disk, a data set beside the other, in the order in which they came."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from localcloud.airec.rules import Document
from localcloud.database import Database

# A deleted document keeps its row without fields, so that who has read up to a number learns of it. Numbers only grow.
_SCHEMA = """
CREATE TABLE IF NOT EXISTS documents (
    number INTEGER PRIMARY KEY AUTOINCREMENT, data_set TEXT NOT NULL, kind TEXT NOT NULL,
    id TEXT NOT NULL, type TEXT NOT NULL, fields TEXT, UNIQUE (data_set, kind, id, type)
);
CREATE INDEX IF NOT EXISTS documents_in_order ON documents (data_set, kind, number);
CREATE TABLE IF NOT EXISTS behaviors (
    number INTEGER PRIMARY KEY AUTOINCREMENT, data_set TEXT NOT NULL, fields TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS behaviors_in_order ON behaviors (data_set, number);
"""


@dataclass(frozen=True, slots=True)
class Item:
    """An item as it is after change ``number``; ``fields`` is None for one that was deleted."""

    number: int
    id: str
    type: str
    fields: dict[str, str] | None


@dataclass(frozen=True, slots=True)
class Behavior:
    """What somebody did with an item."""

    number: int
    fields: dict[str, str]


class Tables:
    """The rows of all data sets."""

    def __init__(self, root: Path) -> None:
        self._database = Database(root / "tables.sqlite", _SCHEMA)

    def push(self, data_set: str, table: str, documents: Sequence[Document]) -> None:
        """Carry out all changes together."""
        with self._database.transaction() as connection:
            if table == "behavior":
                rows = [(data_set, json.dumps(dict(each.fields))) for each in documents]
                connection.executemany("INSERT INTO behaviors (data_set, fields) VALUES (?, ?)", rows)
                return
            for document in documents:
                _change(connection, data_set, table, document)

    def items(self, data_set: str, *, after: int) -> list[Item]:
        """The items that changed after a number, in order."""
        query = "SELECT * FROM documents WHERE data_set = ? AND kind = 'item' AND number > ? ORDER BY number"
        with self._database.transaction() as connection:
            rows = connection.execute(query, (data_set, after)).fetchall()
        return [
            Item(row["number"], row["id"], row["type"], json.loads(row["fields"]) if row["fields"] else None)
            for row in rows
        ]

    def behaviors(self, data_set: str, *, after: int) -> list[Behavior]:
        """What was done after a number, in the order in which it came."""
        query = "SELECT number, fields FROM behaviors WHERE data_set = ? AND number > ? ORDER BY number"
        with self._database.transaction() as connection:
            rows = connection.execute(query, (data_set, after)).fetchall()
        return [Behavior(row["number"], json.loads(row["fields"])) for row in rows]

    def count(self, data_set: str) -> int:
        """How many rows of behaviour there are."""
        with self._database.transaction() as connection:
            row = connection.execute(
                "SELECT COUNT(*) AS rows FROM behaviors WHERE data_set = ?", (data_set,)
            ).fetchone()
        return int(row["rows"])

    def copy(self, source: str, target: str) -> None:
        """Make ``target`` the same as ``source``, whatever a try that was broken off left there."""
        with self._database.transaction() as connection:
            self.delete(target)
            connection.execute(
                "INSERT INTO documents (data_set, kind, id, type, fields) "
                "SELECT ?, kind, id, type, fields FROM documents "
                "WHERE data_set = ? AND fields IS NOT NULL ORDER BY number",
                (target, source),
            )
            connection.execute(
                "INSERT INTO behaviors (data_set, fields) "
                "SELECT ?, fields FROM behaviors WHERE data_set = ? ORDER BY number",
                (target, source),
            )

    def delete(self, data_set: str) -> None:
        """Forget a data set's rows."""
        with self._database.transaction() as connection:
            connection.execute("DELETE FROM documents WHERE data_set = ?", (data_set,))
            connection.execute("DELETE FROM behaviors WHERE data_set = ?", (data_set,))


def _change(connection: sqlite3.Connection, data_set: str, table: str, document: Document) -> None:
    key = (data_set, table, *document.key(table))
    fields: dict[str, str] | None = dict(document.fields)
    if document.cmd == "delete":
        fields = None
    elif document.cmd == "update":
        row = connection.execute(
            "SELECT fields FROM documents WHERE data_set = ? AND kind = ? AND id = ? AND type = ?", key
        ).fetchone()
        fields = {**(json.loads(row["fields"]) if row and row["fields"] else {}), **document.fields}
    # REPLACE gives the row a new number: it comes again to who has read it before.
    connection.execute(
        "INSERT OR REPLACE INTO documents (data_set, kind, id, type, fields) VALUES (?, ?, ?, ?, ?)",
        (*key, json.dumps(fields) if fields is not None else None),
    )
