"""Pages of keys in the order of their UTF-8 bytes, with folders rolled up at a delimiter."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Generic, TypeVar

from localcloud.oss.database import Database
from localcloud.oss.records import SELECT_OBJECTS, BucketRecord, ObjectRecord, bucket_of, object_from_row

Entry = TypeVar("Entry")


@dataclass(slots=True)
class Page(Generic[Entry]):
    """A page of a listing; ``next_marker`` is the last entry handed out, empty when nothing follows."""

    entries: list[Entry] = field(default_factory=list)
    prefixes: list[str] = field(default_factory=list)
    next_marker: str = ""
    truncated: bool = False

    def __len__(self) -> int:
        return len(self.entries) + len(self.prefixes)


@dataclass(frozen=True, slots=True)
class UploadEntry:
    """A multipart upload in a listing; ``begun_ms`` in milliseconds since the epoch."""

    key: str
    upload_id: str
    begun_ms: int
    storage_class: str


def list_objects(
    database: Database, bucket: str, *, prefix: str = "", delimiter: str = "", marker: str = "", limit: int = 100
) -> Page[ObjectRecord]:
    """Up to ``limit`` keys and rolled-up prefixes after ``marker``.

    A rolled-up folder costs one step in the index, however many keys it holds.
    """
    page: Page[ObjectRecord] = Page()
    wanted, separator = prefix.encode(), delimiter.encode()
    start: bytes | None = max(wanted, _after(wanted, separator, marker.encode()))
    end = _successor(wanted)
    with database.read() as connection:
        bucket_of(connection, bucket)
        while start is not None and not page.truncated:
            rows = connection.execute(
                f"{SELECT_OBJECTS} WHERE bucket = ? AND key >= ? AND (? IS NULL OR key < ?) ORDER BY key LIMIT ?",
                (bucket, start, end, end, limit - len(page) + 1),
            )
            start = None
            for row in rows:
                if len(page) == limit:
                    page.truncated = True
                    break
                folder = _folder(row["key"], wanted, separator)
                if folder is not None:
                    page.next_marker = folder.decode()
                    page.prefixes.append(page.next_marker)
                    start = _successor(folder)
                    break
                record = object_from_row(row)
                page.entries.append(record)
                page.next_marker = record.key
            rows.close()
    return _ended(page)


def list_uploads(
    database: Database,
    bucket: str,
    *,
    prefix: str = "",
    delimiter: str = "",
    key_marker: str = "",
    upload_id_marker: str = "",
    limit: int = 1000,
) -> tuple[Page[UploadEntry], str]:
    """A page of the uploads under way by key and id, and the id to go on after."""
    page: Page[UploadEntry] = Page()
    next_id = ""
    wanted, separator, marker = prefix.encode(), delimiter.encode(), key_marker.encode()
    # With an id marker the uploads of the marker's own key go on after that id; without one the key is done.
    start = marker if upload_id_marker else _after(wanted, separator, marker)
    with database.read() as connection:
        bucket_of(connection, bucket)
        rows = connection.execute(
            "SELECT key, id, begun_ms, storage_class FROM uploads WHERE bucket = ? AND key >= ? ORDER BY key, id",
            (bucket, start),
        ).fetchall()
    for key, upload_id, begun_ms, storage_class in rows:
        if not key.startswith(wanted) or (key == marker and upload_id_marker and upload_id <= upload_id_marker):
            continue
        folder = _folder(key, wanted, separator)
        if folder is not None and folder.decode() in page.prefixes[-1:]:
            continue
        if len(page) == limit:
            page.truncated = True
            break
        if folder is not None:
            page.next_marker, next_id = folder.decode(), ""
            page.prefixes.append(page.next_marker)
        else:
            page.next_marker, next_id = key.decode(), upload_id
            page.entries.append(UploadEntry(page.next_marker, upload_id, begun_ms, storage_class))
    return _ended(page), next_id if page.truncated else ""


def list_buckets(database: Database, *, prefix: str = "", marker: str = "", limit: int = 100) -> Page[BucketRecord]:
    """A page of buckets by name."""
    page: Page[BucketRecord] = Page()
    with database.read() as connection:
        rows = connection.execute("SELECT * FROM buckets WHERE name > ? ORDER BY name", (marker,)).fetchall()
    found = [BucketRecord(**row) for row in rows if row["name"].startswith(prefix)]
    page.entries, page.truncated = found[:limit], len(found) > limit
    page.next_marker = page.entries[-1].name if page.entries else ""
    return _ended(page)


def count_objects(database: Database, bucket: str) -> tuple[dict[str, tuple[int, int]], int]:
    """How many objects and bytes the bucket holds in each storage class, and how many multipart uploads."""
    with database.read() as connection:
        bucket_of(connection, bucket)
        rows = connection.execute(
            "SELECT storage_class, count(*), sum(size) FROM objects WHERE bucket = ? GROUP BY storage_class", (bucket,)
        ).fetchall()
        uploads = connection.execute("SELECT count(*) FROM uploads WHERE bucket = ?", (bucket,)).fetchone()[0]
    return {row[0]: (row[1], row[2]) for row in rows}, uploads


def _ended(page: Page[Entry]) -> Page[Entry]:
    if not page.truncated:
        page.next_marker = ""
    return page


def _folder(key: bytes, prefix: bytes, delimiter: bytes) -> bytes | None:
    """The part of the key up to the first delimiter behind the prefix, or None if it stands for itself."""
    found = key.find(delimiter, len(prefix)) if delimiter else -1
    return None if found < 0 else key[: found + len(delimiter)]


def _after(prefix: bytes, delimiter: bytes, marker: bytes) -> bytes:
    """The first key that may follow the marker; a marker that is a rolled-up folder stands for all its keys."""
    if not marker:
        return b""
    if marker.startswith(prefix) and _folder(marker, prefix, delimiter) == marker:
        return _successor(marker) or marker
    return marker + b"\0"


def _successor(prefix: bytes) -> bytes | None:
    """The first byte string after all that begin with ``prefix`` (UTF-8 has no 0xFF to overflow)."""
    return prefix[:-1] + bytes([prefix[-1] + 1]) if prefix else None
