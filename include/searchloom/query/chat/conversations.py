"""The conversations of a host, in one SQLite file that all of its query modules share and that outlives them.

What is in it belongs to its owner alone: tenant, user, exact groups and corpus are the key, as a hash. Whoever was
erased is found by the hash that the event log's erasures use. A row's number grows with its use: the lowest number is
the conversation that was used longest ago.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from pydantic import TypeAdapter

from searchloom.errors import ServiceUnavailable
from searchloom.personalization.heard import key_of
from searchloom.query.chat.memory import MAX_CHARS, Owner, Turn
from searchloom.settings import Chat

FILE = "conversations.sqlite"
"""Below ``settings.state``."""

_VERSION = 1
_WAIT_S = 2.0  # for another process that is writing
_TABLE = """
    CREATE TABLE conversations (
        owner BLOB NOT NULL, name TEXT NOT NULL, person TEXT NOT NULL, corpus TEXT NOT NULL,
        last REAL NOT NULL, turns BLOB NOT NULL, UNIQUE (owner, name)
    );
    CREATE INDEX of_person ON conversations (person);
    CREATE INDEX by_last ON conversations (last);
"""
_TURNS = TypeAdapter(tuple[Turn, ...])


class Told(NamedTuple):
    """A conversation as its owner is told of it; ``last`` in seconds since 1970."""

    corpus: str
    last: float
    turns: tuple[Turn, ...]


class Conversations:
    """The file: bounded for each user and in all, the longest unused go first. Safe to use from several threads.

    Every method raises ``ServiceUnavailable`` where the file cannot be used.
    """

    def __init__(self, file: Path, settings: Chat, clock: Callable[[], float] = time.time) -> None:
        self._file = file
        self._settings = settings
        self._clock = clock
        self._lock = threading.Lock()
        self._opened: sqlite3.Connection | None = None

    def turns(self, owner: Owner, name: str) -> Sequence[Turn] | None:
        """The turns of a conversation, oldest first; None where this owner has none of this name."""
        with self._changing() as rows:
            return self._read(rows, _digest(owner), name)

    def add(self, owner: Owner, name: str, turn: Turn) -> None:
        """Keep a turn; what is beyond the bounds is forgotten."""
        of_owner, person, kept = _digest(owner), key_of(owner.user, owner.tenant).hex(), self._settings.turns
        with self._changing() as rows:
            turns = (*(self._read(rows, of_owner, name) or ()), _short(turn))[-kept:] if kept else ()
            row = (of_owner, name, person, owner.corpus, self._clock(), _TURNS.dump_json(turns))
            rows.execute("INSERT OR REPLACE INTO conversations VALUES (?, ?, ?, ?, ?, ?)", row)
            mine = "FROM conversations WHERE person = ?"
            rows.execute(
                f"DELETE {mine} AND rowid <= (SELECT rowid {mine} ORDER BY rowid DESC LIMIT 1 OFFSET ?)",
                (person, person, self._settings.conversations_per_user),
            )
            rows.execute(
                "DELETE FROM conversations WHERE rowid <= "
                "(SELECT rowid FROM conversations ORDER BY rowid DESC LIMIT 1 OFFSET ?)",
                (self._settings.conversations,),
            )

    def expire(self) -> None:
        """Forget what was not used for long enough; nobody needs to speak for that."""
        with self._changing():
            pass

    def told(self, tenant: str, user: str) -> list[Told]:
        """All that is remembered of a user of a tenant, the longest unused first."""
        with self._changing() as rows:
            found = rows.execute(
                "SELECT corpus, last, turns FROM conversations WHERE person = ? ORDER BY rowid",
                (key_of(user, tenant).hex(),),
            )
            return [Told(corpus, last, _TURNS.validate_json(turns)) for corpus, last, turns in found]

    def forget(self, tenant: str, user: str) -> int:
        """Forget all that was said by a user of a tenant; returns how many conversations there were."""
        return self.erase({key_of(user, tenant).hex(): self._clock()})

    def erase(self, marks: Mapping[str, float]) -> int:
        """Forget what persons (keys in hexadecimal) said until the moment of their erasure; returns how much it was."""
        if not marks:
            return 0
        with self._changing() as rows:
            gone = rows.executemany("DELETE FROM conversations WHERE person = ? AND last <= ?", marks.items()).rowcount
        if gone:
            with self._using() as file:
                file.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # nor does the log of changes hold it any longer
        return gone

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            if self._opened is not None:
                self._opened.close()
                self._opened = None

    def _read(self, rows: sqlite3.Connection, owner: bytes, name: str) -> Sequence[Turn] | None:
        found = rows.execute("SELECT turns FROM conversations WHERE owner = ? AND name = ?", (owner, name)).fetchone()
        return None if found is None else _TURNS.validate_json(found[0])

    @contextmanager
    def _changing(self) -> Iterator[sqlite3.Connection]:
        """A transaction in which nothing is there that should have been forgotten."""
        with self._using() as file, file:
            file.execute("BEGIN IMMEDIATE")
            file.execute("DELETE FROM conversations WHERE last < ?", (self._clock() - self._settings.forget_after_s,))
            yield file

    @contextmanager
    def _using(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            try:
                self._opened = self._opened or _open(self._file)
                yield self._opened
            except (sqlite3.Error, OSError) as error:
                raise ServiceUnavailable(f"the conversations in {self._file} cannot be used: {error}") from error


def _open(path: Path) -> sqlite3.Connection:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)  # what people say is nobody else's to read; SQLite's own files take after this one
    file = sqlite3.connect(path, timeout=_WAIT_S, isolation_level=None, check_same_thread=False)
    file.execute("PRAGMA journal_mode = WAL")
    file.execute("PRAGMA synchronous = NORMAL")
    file.execute("PRAGMA secure_delete = ON")  # what is forgotten is overwritten
    with file:
        file.execute("BEGIN IMMEDIATE")
        if file.execute("PRAGMA user_version").fetchone() != (_VERSION,):
            file.execute("DROP TABLE IF EXISTS conversations")
            for statement in _TABLE.split(";"):
                file.execute(statement)
            file.execute(f"PRAGMA user_version = {_VERSION}")
    return file


def _digest(owner: Owner) -> bytes:
    return sha256(json.dumps([owner.tenant, owner.user, owner.groups, owner.corpus]).encode()).digest()


def _short(turn: Turn) -> Turn:
    return Turn(turn.message[:MAX_CHARS], turn.question[:MAX_CHARS], turn.answer[:MAX_CHARS], turn.doc_ids)
