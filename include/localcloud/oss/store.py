"""Buckets and objects on disk: every change is whole or absent, also when the process is killed half-way.

Bytes are written to blob files first; the commit of the index then makes them an object. A reader holds the blobs of
the version it opened, so it sees that version to the end. Calls block: run them in a thread.
"""

from __future__ import annotations

import fcntl
import hashlib
import logging
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO, Self

from localcloud.oss import crc64
from localcloud.oss.blobs import Blobs, Segment, Written
from localcloud.oss.database import Database
from localcloud.oss.errors import OssError, file_already_exists, no_such_key
from localcloud.oss.records import (
    Attributes,
    BucketRecord,
    ObjectRecord,
    bucket_of,
    new_content,
    now_ms,
    object_of,
    release_content,
    save_object,
    segments_of,
    set_property,
)

_log = logging.getLogger(__name__)


class ObjectReader:
    """Reads a range of one version of an object, front to back."""

    def __init__(self, blobs: Blobs, record: ObjectRecord, segments: list[Segment]) -> None:
        self.record = record
        self._blobs = blobs
        self._pinned = [segment.blob for segment in segments]
        self._ahead = segments[::-1]
        self._file: BinaryIO | None = None
        self._left_in_segment = 0

    def select(self, start: int, length: int) -> None:
        """Read ``length`` bytes from ``start`` on instead of the whole object."""
        chosen = []
        for segment in reversed(self._ahead):
            skipped = min(start, segment.length)
            taken = min(length, segment.length - skipped)
            if taken:
                chosen.append(Segment(segment.blob, segment.start + skipped, taken))
            start -= skipped
            length -= taken
        self._ahead = chosen[::-1]

    def read(self, size: int) -> bytes:
        """Up to ``size`` bytes, as many as there are; empty at the end."""
        pieces, wanted = [], size
        while wanted and self._open_next():
            piece = self._file.read(min(wanted, self._left_in_segment)) if self._file else b""
            if not piece:
                raise OSError(f"A blob of object {self.record.key!r} is shorter than the index says.")
            self._left_in_segment -= len(piece)
            wanted -= len(piece)
            pieces.append(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _open_next(self) -> bool:
        while not self._left_in_segment:
            if not self._ahead:
                return False
            segment = self._ahead.pop()
            self._close_file()
            self._file = self._blobs.path(segment.blob).open("rb", buffering=0)
            self._file.seek(segment.start)
            self._left_in_segment = segment.length
        return True

    def _close_file(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def close(self) -> None:
        """Let the blobs go."""
        self._close_file()
        self._blobs.unpin(self._pinned)
        self._pinned = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Store:
    """One folder with everything OSS holds. Only one process may have it open."""

    def __init__(self, root: Path) -> None:
        root.mkdir(parents=True, exist_ok=True)
        self._lock_file = (root / "lock").open("w")
        try:
            fcntl.flock(self._lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RuntimeError(f"Another process serves {root}; stop it or choose another --state folder.") from None
        self.database = Database(root / "index.sqlite")
        self.blobs = Blobs(root / "blobs")
        with self.database.read() as connection:
            known = {row[0] for row in connection.execute("SELECT DISTINCT blob FROM segments")}
        orphans = self.blobs.sweep(known)
        _log.info("OSS store %s: %d blobs, %d leftovers removed.", root, len(known), orphans)

    # Buckets

    def create_bucket(self, name: str, acl: str | None, storage_class: str | None) -> None:
        """Create the bucket; one that is there keeps its objects, and takes the ACL if one is given."""
        with self.database.write() as connection:
            row = connection.execute("SELECT 1 FROM buckets WHERE name = ?", (name,)).fetchone()
            if row is not None:
                if acl:
                    connection.execute("UPDATE buckets SET acl = ? WHERE name = ?", (acl, name))
                return
            connection.execute(
                "INSERT INTO buckets (name, created_ms, acl, storage_class) VALUES (?, ?, ?, ?)",
                (name, now_ms(), acl or "private", storage_class or "Standard"),
            )

    def delete_bucket(self, name: str) -> None:
        """Delete an empty bucket; raises ``BucketNotEmpty`` while it has objects or multipart uploads."""
        with self.database.write() as connection:
            bucket_of(connection, name)
            for table in ("objects", "uploads"):
                if connection.execute(f"SELECT 1 FROM {table} WHERE bucket = ? LIMIT 1", (name,)).fetchone():  # noqa: S608 - our own names
                    raise OssError("BucketNotEmpty", "The bucket you tried to delete is not empty.", BucketName=name)
            connection.execute("DELETE FROM buckets WHERE name = ?", (name,))

    def set_bucket_acl(self, name: str, acl: str) -> None:
        """Change who may read or write the bucket."""
        with self.database.write() as connection:
            bucket_of(connection, name)
            connection.execute("UPDATE buckets SET acl = ? WHERE name = ?", (acl, name))

    def bucket(self, name: str) -> BucketRecord:
        """The bucket; raises ``NoSuchBucket``."""
        with self.database.read() as connection:
            return bucket_of(connection, name)

    # Objects

    def head(self, bucket: str, key: str) -> ObjectRecord:
        """The object without its bytes; raises ``NoSuchBucket`` and ``NoSuchKey``."""
        with self.database.read() as connection:
            bucket_of(connection, bucket)
            record = object_of(connection, bucket, key)
        if record is None:
            raise no_such_key(key)
        return record

    def open(self, bucket: str, key: str) -> ObjectReader:
        """The object with its bytes, as they are now; the caller closes the reader."""
        while True:
            with self.database.read() as connection:
                bucket_of(connection, bucket)
                record = object_of(connection, bucket, key)
                segments = segments_of(connection, record.content) if record else []
            if record is None:
                raise no_such_key(key)
            reader = ObjectReader(self.blobs, record, segments)
            self.blobs.pin(segment.blob for segment in segments)
            # Still the same version after the pin: a writer that replaces it from now on sees the pin.
            with self.database.read() as connection:
                current = object_of(connection, bucket, key)
            if current is not None and current.content == record.content:
                return reader
            reader.close()

    def put(
        self, bucket: str, key: str, written: Written, attributes: Attributes, *, forbid_overwrite: bool = False
    ) -> ObjectRecord:
        """Make the blob the object's content. With ``forbid_overwrite`` exactly one of many writers succeeds."""
        with self.database.write() as connection:
            storage_class = attributes.storage_class or bucket_of(connection, bucket).storage_class
            old = object_of(connection, bucket, key)
            if old is not None and forbid_overwrite:
                raise file_already_exists()
            record = ObjectRecord(
                bucket=bucket,
                key=key,
                content=new_content(connection, [Segment(written.blob, 0, written.size)]),
                size=written.size,
                etag=written.md5.hex().upper(),
                crc64=written.crc64,
                kind="Normal",
                storage_class=storage_class,
                acl=attributes.acl,
                modified_ms=now_ms(),
                headers=attributes.headers,
                tags=attributes.tags,
            )
            save_object(connection, record)
            freed = release_content(connection, old.content) if old else []
        self.blobs.remove(freed)
        return record

    def append(self, bucket: str, key: str, position: int, written: Written, attributes: Attributes) -> ObjectRecord:
        """Put the blob behind the object's bytes, which must end at ``position``; creates the object at 0."""
        with self.database.write() as connection:
            storage_class = attributes.storage_class or bucket_of(connection, bucket).storage_class
            old = object_of(connection, bucket, key)
            self._check_appendable(old, key, position)
            if old is None:
                content = new_content(connection, [Segment(written.blob, 0, written.size)])
                old = ObjectRecord(
                    bucket=bucket,
                    key=key,
                    content=content,
                    size=0,
                    etag="",
                    crc64=0,
                    kind="Appendable",
                    storage_class=storage_class,
                    acl=attributes.acl,
                    modified_ms=0,
                    headers=attributes.headers,
                    tags=attributes.tags,
                )
            else:
                connection.execute(
                    "INSERT INTO segments SELECT content, max(ordinal) + 1, ?, 0, ? FROM segments WHERE content = ?",
                    (written.blob, written.size, old.content),
                )
            size = old.size + written.size
            checksum = crc64.combine(old.crc64, written.crc64, written.size)
            # The ETag of an appendable object is no MD5 of its bytes; it only has to change with them.
            etag = hashlib.md5(f"{checksum}-{size}".encode(), usedforsecurity=False).hexdigest().upper()
            record = replace(old, size=size, crc64=checksum, etag=etag, modified_ms=now_ms())
            save_object(connection, record)
        return record

    @staticmethod
    def _check_appendable(old: ObjectRecord | None, key: str, position: int) -> None:
        if old is not None and old.kind != "Appendable":
            raise OssError("ObjectNotAppendable", "The object is not appendable.", Key=key)
        length = old.size if old else 0
        if position != length:
            checksum = {"x-oss-hash-crc64ecma": str(old.crc64)} if old else {}
            raise OssError(
                "PositionNotEqualToLength",
                "Position is not equal to file length",
                headers={"x-oss-next-append-position": str(length), **checksum},
                Key=key,
            )

    def copy(
        self,
        source: tuple[str, str],
        target: tuple[str, str],
        check: Callable[[ObjectRecord], None],
        attributes: Callable[[ObjectRecord], Attributes],
        *,
        forbid_overwrite: bool = False,
    ) -> ObjectRecord:
        """Give ``target`` the bytes of ``source`` without moving them.

        ``check`` may refuse the source that is found; ``attributes`` says what the copy carries.
        """
        with self.database.write() as connection:
            bucket_of(connection, source[0])
            found = object_of(connection, *source)
            if found is None:
                raise no_such_key(source[1])
            check(found)
            default_class = bucket_of(connection, target[0]).storage_class
            old = object_of(connection, *target)
            if old is not None and forbid_overwrite:
                raise file_already_exists()
            carried = attributes(found)
            # A copy of a link is a link: the target's bytes stay where they are.
            link_target = found.properties.get("symlink")
            record = replace(
                found,
                bucket=target[0],
                key=target[1],
                content=new_content(connection, segments_of(connection, found.content)),
                kind="Normal" if link_target is None else found.kind,
                storage_class=carried.storage_class or default_class,
                acl=carried.acl,
                modified_ms=now_ms(),
                headers=carried.headers,
                tags=carried.tags,
                properties={},
            )
            save_object(connection, record)
            if link_target is not None:
                set_property(connection, record.content, "symlink", link_target)
            freed = release_content(connection, old.content) if old else []
        self.blobs.remove(freed)
        return record

    def delete(self, bucket: str, keys: Iterable[str]) -> None:
        """Delete objects, all in one commit; keys that are not there are none the worse."""
        freed: list[str] = []
        with self.database.write() as connection:
            bucket_of(connection, bucket)
            for key in keys:
                old = object_of(connection, bucket, key)
                if old is not None:
                    connection.execute("DELETE FROM objects WHERE bucket = ? AND key = ?", (bucket, key.encode()))
                    freed += release_content(connection, old.content)
        self.blobs.remove(freed)

    def update(self, bucket: str, key: str, *, acl: str | None = None, tags: dict[str, str] | None = None) -> None:
        """Change an object's ACL or tags; its bytes, ETag and time stay."""
        with self.database.write() as connection:
            bucket_of(connection, bucket)
            old = object_of(connection, bucket, key)
            if old is None:
                raise no_such_key(key)
            acl = old.acl if acl is None else acl
            tags = old.tags if tags is None else tags
            save_object(connection, replace(old, acl=acl, tags=tags))
