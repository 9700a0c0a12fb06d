"""The index of the store: one SQLite file whose commit is the moment when a change becomes visible and durable."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# Keys are stored as UTF-8 blobs: SQLite compares those byte by byte, which is the order in which OSS lists.
_SCHEMA = """
CREATE TABLE IF NOT EXISTS buckets (
    name TEXT PRIMARY KEY, created_ms INTEGER NOT NULL, acl TEXT NOT NULL, storage_class TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS contents (id INTEGER PRIMARY KEY AUTOINCREMENT);
CREATE TABLE IF NOT EXISTS segments (
    content INTEGER NOT NULL REFERENCES contents (id) ON DELETE CASCADE,
    ordinal INTEGER NOT NULL, blob TEXT NOT NULL, start INTEGER NOT NULL, length INTEGER NOT NULL,
    PRIMARY KEY (content, ordinal)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS segments_of_blob ON segments (blob);
CREATE TABLE IF NOT EXISTS objects (
    bucket TEXT NOT NULL REFERENCES buckets (name), key BLOB NOT NULL,
    content INTEGER NOT NULL REFERENCES contents (id),
    size INTEGER NOT NULL, etag TEXT NOT NULL, crc64 TEXT NOT NULL, kind TEXT NOT NULL,
    storage_class TEXT NOT NULL, acl TEXT NOT NULL, modified_ms INTEGER NOT NULL, headers TEXT NOT NULL,
    tags TEXT NOT NULL,
    PRIMARY KEY (bucket, key)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS uploads (
    id TEXT PRIMARY KEY, bucket TEXT NOT NULL REFERENCES buckets (name), key BLOB NOT NULL,
    begun_ms INTEGER NOT NULL, storage_class TEXT NOT NULL, acl TEXT NOT NULL, headers TEXT NOT NULL,
    tags TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS uploads_of_key ON uploads (bucket, key, id);
CREATE TABLE IF NOT EXISTS parts (
    upload TEXT NOT NULL REFERENCES uploads (id), number INTEGER NOT NULL,
    content INTEGER NOT NULL REFERENCES contents (id),
    size INTEGER NOT NULL, etag TEXT NOT NULL, crc64 TEXT NOT NULL, modified_ms INTEGER NOT NULL,
    PRIMARY KEY (upload, number)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS sequential_uploads (
    upload TEXT PRIMARY KEY REFERENCES uploads (id) ON DELETE CASCADE
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS properties (
    content INTEGER NOT NULL REFERENCES contents (id) ON DELETE CASCADE,
    name TEXT NOT NULL, value TEXT NOT NULL,
    PRIMARY KEY (content, name)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS channels (
    bucket TEXT NOT NULL REFERENCES buckets (name) ON DELETE CASCADE, name BLOB NOT NULL,
    modified_ms INTEGER NOT NULL, content TEXT NOT NULL,
    PRIMARY KEY (bucket, name)
) WITHOUT ROWID;
"""


class Database:
    """Any number of readers, one writer at a time; a reader sees the state as of one commit."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._local = threading.local()
        self._lock = threading.Lock()
        self._writer = self._connect()
        self._writer.executescript(_SCHEMA)

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False, timeout=60)
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA journal_mode = WAL")
        # FULL: a commit that was answered is on disk even if the power fails the moment after.
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        return connection

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """One transaction: everything inside becomes visible at once, or nothing does when the block raises."""
        with self._lock:
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                yield self._writer
                self._writer.execute("COMMIT")
            except BaseException:
                # A commit that fails (disk full) may have rolled back already.
                if self._writer.in_transaction:
                    self._writer.execute("ROLLBACK")
                raise

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """One snapshot, on this thread's own connection: all statements inside see the same commit."""
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = self._connect()
        connection.execute("BEGIN")
        try:
            yield connection
        finally:
            connection.execute("ROLLBACK")
