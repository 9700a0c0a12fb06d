"""Symbolic links: objects that stand for another object of their bucket."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from urllib.parse import quote, unquote

from localcloud.oss.answer import Answer, short_headers
from localcloud.oss.errors import OssError, file_already_exists, invalid_argument, no_such_key
from localcloud.oss.names import check_key
from localcloud.oss.records import (
    Attributes,
    ObjectRecord,
    bucket_of,
    new_content,
    now_ms,
    object_of,
    release_content,
    save_object,
    set_property,
)
from localcloud.oss.request import OssRequest
from localcloud.oss.store import ObjectReader, Store
from localcloud.oss.uploading import Threads, attributes_of

KIND = "Symlink"
PROPERTY = "symlink"
_HEADER = "x-oss-symlink-target"


@dataclass(frozen=True, slots=True)
class LinkActions:
    """Handlers of ``?symlink``."""

    store: Store
    threads: Threads

    async def put(self, request: OssRequest) -> Answer:
        """PutSymlink: the target need not be there yet."""
        given = request.headers.get(_HEADER, "")
        target = unquote(given.encode("latin-1").decode(errors="replace"))
        if not target:
            raise invalid_argument("The header x-oss-symlink-target is missing.", _HEADER, given)
        check_key(target)
        forbid = request.flag("x-oss-forbid-overwrite")
        record = await self.threads.run(
            self._put, request.bucket, request.key, target, attributes_of(request), forbid_overwrite=forbid
        )
        return Answer(200, {"etag": f'"{record.etag}"'})

    def _put(
        self, bucket: str, key: str, target: str, attributes: Attributes, *, forbid_overwrite: bool
    ) -> ObjectRecord:
        with self.store.database.write() as connection:
            storage_class = attributes.storage_class or bucket_of(connection, bucket).storage_class
            old = object_of(connection, bucket, key)
            if old is not None and forbid_overwrite:
                raise file_already_exists()
            record = ObjectRecord(
                bucket=bucket,
                key=key,
                content=new_content(connection, []),
                size=0,
                etag=hashlib.md5(target.encode(), usedforsecurity=False).hexdigest().upper(),
                crc64=0,
                kind=KIND,
                storage_class=storage_class,
                acl=attributes.acl,
                modified_ms=now_ms(),
                headers=attributes.headers,
                tags=attributes.tags,
            )
            set_property(connection, record.content, PROPERTY, target)
            save_object(connection, record)
            freed = release_content(connection, old.content) if old else []
        self.store.blobs.remove(freed)
        return record

    async def get(self, request: OssRequest) -> Answer:
        """GetSymlink: where the link leads."""
        record = await self.threads.run(self.store.head, request.bucket, request.key)
        if record.kind != KIND:
            raise OssError("NotSymlink", "The object is not a symbolic link.", Key=request.key)
        headers = {name: value for name, value in record.headers.items() if name.startswith("x-oss-meta-")}
        target = quote(record.properties[PROPERTY], safe="")
        return Answer(200, {**short_headers(record), **headers, _HEADER: target})


def head_through(store: Store, bucket: str, key: str) -> ObjectRecord:
    """The object; of a link what is said of itself, with the target's size and checksums."""
    record = store.head(bucket, key)
    if record.kind != KIND:
        return record
    return _seen_through(record, _target(store, record))


def open_through(store: Store, bucket: str, key: str) -> tuple[ObjectRecord, ObjectReader]:
    """The object with its bytes, or a link with those of its target; the caller closes the reader."""
    reader = store.open(bucket, key)
    record = reader.record
    if record.kind != KIND:
        return record, reader
    reader.close()
    target = _target(store, record)
    reader = store.open(bucket, target.key)
    return _seen_through(record, reader.record), reader


def _target(store: Store, link: ObjectRecord) -> ObjectRecord:
    try:
        target = store.head(link.bucket, link.properties[PROPERTY])
    except OssError as error:
        if error.code != no_such_key("").code:
            raise
        message = "The target object of the symbolic link does not exist."
        raise OssError("SymlinkTargetNotExist", message, Key=link.key) from None
    if target.kind == KIND:
        message = "The target object of the symbolic link is a symbolic link."
        raise OssError("InvalidTargetType", message, Key=link.key)
    return target


def _seen_through(link: ObjectRecord, target: ObjectRecord) -> ObjectRecord:
    return replace(
        link,
        size=target.size,
        etag=target.etag,
        crc64=target.crc64,
        modified_ms=max(link.modified_ms, target.modified_ms),
        headers={
            **{name: target.headers[name] for name in ("content-type",) if name in target.headers},
            **link.headers,
        },
    )
