"""Things that services keep on disk: each one a JSON document with a name, below a parent."""

from __future__ import annotations

import json
import secrets
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from localcloud.acs.errors import AcsError
from localcloud.database import Database
from localcloud.timestamps import now_ms

_SCHEMA = """
CREATE TABLE IF NOT EXISTS documents (
    kind TEXT NOT NULL, parent TEXT NOT NULL, id TEXT NOT NULL, created_ms INTEGER NOT NULL,
    modified_ms INTEGER NOT NULL, content TEXT NOT NULL, PRIMARY KEY (kind, parent, id)
) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class Record:
    """One document; times in milliseconds since the epoch."""

    id: str
    created_ms: int
    modified_ms: int
    content: dict[str, Any]


class Records:
    """The documents of one kind, each below a parent (a model's versions below the model)."""

    def __init__(self, database: Database, kind: str) -> None:
        self._database = database
        self._kind = kind

    def add(self, parent: str, record_id: str, content: dict[str, Any]) -> None:
        """Keep a new document; raises ``{kind}AlreadyExists``."""
        moment = now_ms()
        with self._database.transaction() as connection:
            row = (self._kind, parent, record_id, moment, moment, json.dumps(content))
            try:
                connection.execute("INSERT INTO documents VALUES (?, ?, ?, ?, ?, ?)", row)
            except sqlite3.IntegrityError:
                raise self.duplicate(record_id) from None

    def get(self, parent: str, record_id: str) -> Record:
        """The document; raises ``{kind}NotFound``."""
        with self._database.transaction() as connection:
            row = connection.execute(
                "SELECT * FROM documents WHERE kind = ? AND parent = ? AND id = ?", (self._kind, parent, record_id)
            ).fetchone()
        if row is None:
            raise AcsError(404, f"{self._kind}NotFound", f"The {self._kind} {record_id} does not exist.")
        return _record_of(row)

    def all(self, parent: str) -> list[Record]:
        """The documents below a parent, the oldest first."""
        with self._database.transaction() as connection:
            rows = connection.execute(
                "SELECT * FROM documents WHERE kind = ? AND parent = ? ORDER BY created_ms, id", (self._kind, parent)
            ).fetchall()
        return [_record_of(row) for row in rows]

    def change(self, parent: str, record_id: str, changes: dict[str, Any]) -> None:
        """Replace the named fields of a document."""
        with self._database.transaction() as connection:
            content = self.get(parent, record_id).content | changes
            connection.execute(
                "UPDATE documents SET content = ?, modified_ms = ? WHERE kind = ? AND parent = ? AND id = ?",
                (json.dumps(content), now_ms(), self._kind, parent, record_id),
            )

    def change_if(self, parent: str, record_id: str, held: Mapping[str, Any], changes: dict[str, Any]) -> bool:
        """Replace the named fields if those of ``held`` are still so; returns whether they were."""
        with self._database.transaction():
            content = self.get(parent, record_id).content
            if any(content.get(name) != value for name, value in held.items()):
                return False
            self.change(parent, record_id, changes)
            return True

    def delete(self, parent: str, record_id: str) -> None:
        """Forget a document; raises ``{kind}NotFound``."""
        with self._database.transaction() as connection:
            self.get(parent, record_id)
            connection.execute(
                "DELETE FROM documents WHERE kind = ? AND parent = ? AND id = ?", (self._kind, parent, record_id)
            )

    def duplicate(self, name: str) -> AcsError:
        """The refusal of a name that is taken."""
        return AcsError(409, f"{self._kind}AlreadyExists", f"The {self._kind} {name} exists already.")


def open_database(root: Path) -> Database:
    """The service's file below ``root``."""
    return Database(root / "registry.sqlite", _SCHEMA)


def new_id(prefix: str) -> str:
    """An id that nothing else has."""
    return f"{prefix}-{secrets.token_hex(8)}"


def _record_of(row: sqlite3.Row) -> Record:
    return Record(row["id"], row["created_ms"], row["modified_ms"], json.loads(row["content"]))
