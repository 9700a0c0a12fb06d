"""What the store knows of an object, and how rows of bytes come and go inside a transaction."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterable
from dataclasses import dataclass, field

from localcloud.oss.blobs import Segment
from localcloud.oss.errors import no_such_bucket

# What a few objects have besides the columns: where a symbolic link leads, how long an archived object is readable,
# the MD5 of a sequential upload. It belongs to the content, so that it goes with it.
SELECT_OBJECTS = """
    SELECT objects.*, (
        SELECT json_group_object(name, value) FROM properties WHERE properties.content = objects.content
    ) AS properties FROM objects
"""


@dataclass(frozen=True, slots=True)
class Attributes:
    """What a writer may say about an object besides its bytes; header names are lower case."""

    headers: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    acl: str = "default"
    storage_class: str | None = None


@dataclass(frozen=True, slots=True)
class ObjectRecord:
    """One object: sizes in bytes, times in milliseconds since the epoch, ``etag`` without quotes."""

    bucket: str
    key: str
    content: int
    size: int
    etag: str
    crc64: int
    kind: str
    storage_class: str
    acl: str
    modified_ms: int
    headers: dict[str, str]
    tags: dict[str, str]
    properties: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class BucketRecord:
    """One bucket; ``created_ms`` in milliseconds since the epoch."""

    name: str
    created_ms: int
    acl: str
    storage_class: str


def now_ms() -> int:
    """Milliseconds since the epoch."""
    return time.time_ns() // 1_000_000


def bucket_of(connection: sqlite3.Connection, name: str) -> BucketRecord:
    """The bucket's row; raises ``NoSuchBucket``."""
    row = connection.execute("SELECT * FROM buckets WHERE name = ?", (name,)).fetchone()
    if row is None:
        raise no_such_bucket(name)
    return BucketRecord(**row)


def object_of(connection: sqlite3.Connection, bucket: str, key: str) -> ObjectRecord | None:
    """The object's row, or None."""
    query = f"{SELECT_OBJECTS} WHERE bucket = ? AND key = ?"
    row = connection.execute(query, (bucket, key.encode())).fetchone()
    return None if row is None else object_from_row(row)


def object_from_row(row: sqlite3.Row) -> ObjectRecord:
    """A row of ``SELECT_OBJECTS`` as a record."""
    columns = dict(row)
    columns["key"] = columns["key"].decode()
    columns["crc64"] = int(columns["crc64"])
    columns["headers"] = json.loads(columns["headers"])
    columns["tags"] = json.loads(columns["tags"])
    columns["properties"] = json.loads(columns["properties"])
    return ObjectRecord(**columns)


def save_object(connection: sqlite3.Connection, record: ObjectRecord) -> None:
    """Insert the row, or put it in the place of the one with the same key."""
    connection.execute(
        "INSERT OR REPLACE INTO objects (bucket, key, content, size, etag, crc64, kind, storage_class, acl, "
        "modified_ms, headers, tags) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            record.bucket,
            record.key.encode(),
            record.content,
            record.size,
            record.etag,
            # A CRC-64 does not fit SQLite's signed integers.
            str(record.crc64),
            record.kind,
            record.storage_class,
            record.acl,
            record.modified_ms,
            json.dumps(record.headers),
            json.dumps(record.tags),
        ),
    )


def set_property(connection: sqlite3.Connection, content: int, name: str, value: str) -> None:
    """Note something about a content, in the place of what was noted under this name."""
    connection.execute("INSERT OR REPLACE INTO properties VALUES (?, ?, ?)", (content, name, value))


def new_content(connection: sqlite3.Connection, segments: Iterable[Segment]) -> int:
    """Register runs of blobs as the bytes of something; returns the content's id."""
    content = connection.execute("INSERT INTO contents DEFAULT VALUES").lastrowid
    if content is None:
        raise RuntimeError("SQLite gave no row id for a new content.")
    connection.executemany(
        "INSERT INTO segments (content, ordinal, blob, start, length) VALUES (?, ?, ?, ?, ?)",
        ((content, ordinal, s.blob, s.start, s.length) for ordinal, s in enumerate(segments)),
    )
    return content


def segments_of(connection: sqlite3.Connection, content: int) -> list[Segment]:
    """The runs of bytes of a content, in order."""
    rows = connection.execute("SELECT blob, start, length FROM segments WHERE content = ? ORDER BY ordinal", (content,))
    return [Segment(*row) for row in rows]


def release_content(connection: sqlite3.Connection, content: int) -> list[str]:
    """Drop a content; returns the blobs that nothing names any more, to be removed after the commit."""
    blobs = [row[0] for row in connection.execute("SELECT DISTINCT blob FROM segments WHERE content = ?", (content,))]
    connection.execute("DELETE FROM contents WHERE id = ?", (content,))
    in_use = "SELECT 1 FROM segments WHERE blob = ? LIMIT 1"
    return [blob for blob in blobs if connection.execute(in_use, (blob,)).fetchone() is None]
