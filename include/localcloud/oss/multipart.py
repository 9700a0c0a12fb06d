"""Multipart uploads: parts are blobs of their own, and completing joins them without moving a byte."""

from __future__ import annotations

import base64
import hashlib
import json
import sqlite3
import uuid
from dataclasses import dataclass

from localcloud.oss import crc64
from localcloud.oss.blobs import Segment, Written
from localcloud.oss.errors import OssError, file_already_exists, no_such_upload
from localcloud.oss.records import (
    Attributes,
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
from localcloud.oss.store import Store

MAX_PART_NUMBER = 10_000
MIN_PART_BYTES = 100 * 1024
_CHUNK_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Part:
    """An uploaded part; ``etag`` without quotes."""

    number: int
    content: int
    size: int
    etag: str
    crc64: int
    modified_ms: int


@dataclass(frozen=True, slots=True)
class Upload:
    """A multipart upload that is under way."""

    id: str
    bucket: str
    key: str
    begun_ms: int
    storage_class: str
    attributes: Attributes


class Uploads:
    """The multipart uploads of a store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._database = store.database

    def begin(
        self,
        bucket: str,
        key: str,
        attributes: Attributes,
        *,
        forbid_overwrite: bool = False,
        sequential: bool = False,
    ) -> str:
        """Start an upload; returns its id. The parts of a ``sequential`` one come in order, and have an MD5 as one."""
        upload_id = uuid.uuid4().hex.upper()
        with self._database.write() as connection:
            default_class = bucket_of(connection, bucket).storage_class
            if forbid_overwrite and object_of(connection, bucket, key) is not None:
                raise file_already_exists()
            connection.execute(
                "INSERT INTO uploads (id, bucket, key, begun_ms, storage_class, acl, headers, tags) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    upload_id,
                    bucket,
                    key.encode(),
                    now_ms(),
                    attributes.storage_class or default_class,
                    attributes.acl,
                    json.dumps(attributes.headers),
                    json.dumps(attributes.tags),
                ),
            )
            if sequential:
                connection.execute("INSERT INTO sequential_uploads VALUES (?)", (upload_id,))
        return upload_id

    def find(self, bucket: str, key: str, upload_id: str) -> Upload:
        """The upload; raises ``NoSuchBucket`` and ``NoSuchUpload``."""
        with self._database.read() as connection:
            return _upload_of(connection, bucket, key, upload_id)

    def put_part(self, bucket: str, key: str, upload_id: str, number: int, written: Written) -> Part:
        """Make the blob part ``number``, in the place of one that was there."""
        with self._database.write() as connection:
            _upload_of(connection, bucket, key, upload_id)
            _check_order(connection, upload_id, number)
            row = connection.execute(
                "SELECT content FROM parts WHERE upload = ? AND number = ?", (upload_id, number)
            ).fetchone()
            content = new_content(connection, [Segment(written.blob, 0, written.size)])
            part = Part(number, content, written.size, written.md5.hex().upper(), written.crc64, now_ms())
            connection.execute(
                "INSERT OR REPLACE INTO parts (upload, number, content, size, etag, crc64, modified_ms) "
                "VALUES (?, ?, ?, ?, ?, ?, ?)",
                (upload_id, number, content, part.size, part.etag, str(part.crc64), part.modified_ms),
            )
            freed = release_content(connection, row[0]) if row else []
        self._store.blobs.remove(freed)
        return part

    def parts(self, bucket: str, key: str, upload_id: str) -> list[Part]:
        """All parts that are there, by number."""
        with self._database.read() as connection:
            _upload_of(connection, bucket, key, upload_id)
            return _parts_of(connection, upload_id)

    def complete(
        self,
        bucket: str,
        key: str,
        upload_id: str,
        listed: list[tuple[int, str]] | None,
        *,
        forbid_overwrite: bool = False,
    ) -> ObjectRecord:
        """Join the ``listed`` (number, ETag) parts, or with None all that are there, into the object."""
        digest = self._sequential_digest(upload_id)
        with self._database.write() as connection:
            upload = _upload_of(connection, bucket, key, upload_id)
            present = _parts_of(connection, upload_id)
            chosen = present if listed is None else _choose(present, listed)
            _check_sizes(chosen)
            old = object_of(connection, bucket, key)
            if old is not None and forbid_overwrite:
                raise file_already_exists()
            segments = [segment for part in chosen for segment in segments_of(connection, part.content)]
            record = _joined(upload, chosen, new_content(connection, segments))
            save_object(connection, record)
            if digest is not None and chosen == present:
                set_property(connection, record.content, "content-md5", digest)
            freed = release_content(connection, old.content) if old else []
            freed += _drop(connection, upload_id, present)
        self._store.blobs.remove(freed)
        return record

    def _sequential_digest(self, upload_id: str) -> str | None:
        """The MD5 (Base64) of all parts together, where the upload is sequential; read before anybody has to wait."""
        with self._database.read() as connection:
            if not _is_sequential(connection, upload_id):
                return None
            contents = [part.content for part in _parts_of(connection, upload_id)]
            segments = [segment for content in contents for segment in segments_of(connection, content)]
        digest = hashlib.md5(usedforsecurity=False)
        for segment in segments:
            with self._store.blobs.path(segment.blob).open("rb") as file:
                file.seek(segment.start)
                left = segment.length
                while chunk := file.read(min(left, _CHUNK_BYTES)):
                    digest.update(chunk)
                    left -= len(chunk)
        return base64.b64encode(digest.digest()).decode()

    def abort(self, bucket: str, key: str, upload_id: str) -> None:
        """Forget the upload and its parts."""
        with self._database.write() as connection:
            _upload_of(connection, bucket, key, upload_id)
            freed = _drop(connection, upload_id, _parts_of(connection, upload_id))
        self._store.blobs.remove(freed)


def _joined(upload: Upload, chosen: list[Part], content: int) -> ObjectRecord:
    checksum = 0
    for part in chosen:
        checksum = crc64.combine(checksum, part.crc64, part.size)
    digests = b"".join(bytes.fromhex(part.etag) for part in chosen)
    return ObjectRecord(
        bucket=upload.bucket,
        key=upload.key,
        content=content,
        size=sum(part.size for part in chosen),
        etag=f"{hashlib.md5(digests, usedforsecurity=False).hexdigest().upper()}-{len(chosen)}",
        crc64=checksum,
        kind="Multipart",
        storage_class=upload.storage_class,
        acl=upload.attributes.acl,
        modified_ms=now_ms(),
        headers=upload.attributes.headers,
        tags=upload.attributes.tags,
    )


def _upload_of(connection: sqlite3.Connection, bucket: str, key: str, upload_id: str) -> Upload:
    bucket_of(connection, bucket)
    row = connection.execute(
        "SELECT * FROM uploads WHERE id = ? AND bucket = ? AND key = ?", (upload_id, bucket, key.encode())
    ).fetchone()
    if row is None:
        raise no_such_upload(upload_id)
    attributes = Attributes(json.loads(row["headers"]), json.loads(row["tags"]), row["acl"], row["storage_class"])
    return Upload(upload_id, bucket, key, row["begun_ms"], row["storage_class"], attributes)


def _parts_of(connection: sqlite3.Connection, upload_id: str) -> list[Part]:
    rows = connection.execute(
        "SELECT number, content, size, etag, crc64, modified_ms FROM parts WHERE upload = ? ORDER BY number",
        (upload_id,),
    )
    return [Part(row[0], row[1], row[2], row[3], int(row[4]), row[5]) for row in rows]


def _is_sequential(connection: sqlite3.Connection, upload_id: str) -> bool:
    found = connection.execute("SELECT 1 FROM sequential_uploads WHERE upload = ?", (upload_id,)).fetchone()
    return found is not None


def _check_order(connection: sqlite3.Connection, upload_id: str, number: int) -> None:
    if not _is_sequential(connection, upload_id):
        return
    query = "SELECT coalesce(max(number), 0) FROM parts WHERE upload = ?"
    last: int = connection.execute(query, (upload_id,)).fetchone()[0]
    if number not in {last, last + 1} or not number:
        raise OssError(
            "PartNotSequential", "Upload part is not sequential.", PartNumber=number, NextPartNumber=last + 1
        )


def _choose(present: list[Part], listed: list[tuple[int, str]]) -> list[Part]:
    by_number = {part.number: part for part in present}
    chosen: list[Part] = []
    for number, etag in listed:
        if chosen and number <= chosen[-1].number:
            raise OssError(
                "InvalidPartOrder",
                "The list of parts was not in ascending order. Parts list must be ordered by number.",
            )
        part = by_number.get(number)
        if part is None or part.etag != etag.strip('"').upper():
            raise OssError(
                "InvalidPart",
                "One or more of the specified parts could not be found or the specified entity tag might not have "
                "matched the part's entity tag.",
                PartNumber=number,
                ETag=etag,
            )
        chosen.append(part)
    return chosen


def _check_sizes(chosen: list[Part]) -> None:
    if not chosen:
        raise OssError("InvalidPart", "An upload cannot be completed without parts.")
    for part in chosen[:-1]:
        if part.size < MIN_PART_BYTES:
            raise OssError(
                "EntityTooSmall",
                "Your proposed upload smaller than the minimum allowed size.",
                PartNumber=part.number,
                ProposedSize=part.size,
                MinSizeAllowed=MIN_PART_BYTES,
            )


def _drop(connection: sqlite3.Connection, upload_id: str, parts: list[Part]) -> list[str]:
    connection.execute("DELETE FROM parts WHERE upload = ?", (upload_id,))
    connection.execute("DELETE FROM uploads WHERE id = ?", (upload_id,))
    return [blob for part in parts for blob in release_content(connection, part.content)]
