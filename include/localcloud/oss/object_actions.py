"""What can be asked of one object."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import unquote

from localcloud.oss import xml
from localcloud.oss.answer import Answer, BodyReader, full_headers, short_headers, xml_answer
from localcloud.oss.archive import check_readable, restore_state
from localcloud.oss.compression import GzipReader, is_compressed
from localcloud.oss.conditions import check_conditions, parse_range
from localcloud.oss.errors import OssError, invalid_argument
from localcloud.oss.links import head_through, open_through
from localcloud.oss.names import check_bucket, check_key, check_tags
from localcloud.oss.records import Attributes, ObjectRecord
from localcloud.oss.request import OssRequest
from localcloud.oss.store import Store
from localcloud.oss.uploading import Threads, acl_of, attributes_of, received_body

OWNER = "1000000000000001"
MAX_COPY_BYTES = 5 * 1024**3
# response-content-type and its kin set the header of that name in one answer.
_OVERRIDES = (
    "content-type",
    "content-language",
    "expires",
    "cache-control",
    "content-disposition",
    "content-encoding",
)


@dataclass(frozen=True, slots=True)
class ObjectActions:
    """Handlers of the requests that name a key."""

    store: Store
    threads: Threads

    async def put(self, request: OssRequest) -> Answer:
        """PutObject."""
        attributes = attributes_of(request)
        forbid = request.flag("x-oss-forbid-overwrite")
        await self.threads.run(self.store.bucket, request.bucket)
        async with received_body(request, self.store.blobs, self.threads) as written:
            record = await self.threads.run(
                self.store.put, request.bucket, request.key, written, attributes, forbid_overwrite=forbid
            )
        return Answer(200, short_headers(record))

    async def append(self, request: OssRequest) -> Answer:
        """AppendObject."""
        position = request.query.get("position", "")
        if not position.isdecimal():
            raise invalid_argument("The position must be a whole number that is not negative.", "position", position)
        # Only the append that creates the object says what it is.
        attributes = Attributes() if int(position) else attributes_of(request)
        await self.threads.run(self.store.bucket, request.bucket)
        async with received_body(request, self.store.blobs, self.threads) as written:
            record = await self.threads.run(
                self.store.append, request.bucket, request.key, int(position), written, attributes
            )
        return Answer(200, {**short_headers(record), "x-oss-next-append-position": str(record.size)})

    async def get(self, request: OssRequest) -> Answer:
        """GetObject."""
        reader, first = await self.threads.run(self._open, request)
        return Answer(*first, reader=reader)

    def _open(self, request: OssRequest) -> tuple[BodyReader, tuple[int, dict[str, str]]]:
        record, reader = open_through(self.store, request.bucket, request.key)
        try:
            check_conditions(record, request.headers)
            check_readable(record)
            headers = full_headers(record) | _overrides(request)
            standard = request.headers.get("x-oss-range-behavior") == "standard"
            chosen = parse_range(request.headers.get("range"), record.size, standard=standard)
        except BaseException:
            reader.close()
            raise
        if is_compressed(record, request.headers):
            del headers["etag"]
            headers["content-encoding"] = "gzip"
            return GzipReader(reader), (200, headers)
        start, length = chosen or (0, record.size)
        headers["content-length"] = str(length)
        if chosen is None:
            return reader, (200, headers)
        reader.select(start, length)
        headers["content-range"] = f"bytes {start}-{start + length - 1}/{record.size}"
        return reader, (206, headers)

    async def head(self, request: OssRequest) -> Answer:
        """HeadObject."""
        record = await self.threads.run(head_through, self.store, request.bucket, request.key)
        check_conditions(record, request.headers)
        restore = restore_state(record)
        state = {"x-oss-restore": restore} if restore else {}
        return Answer(200, {**full_headers(record), **state, "content-length": str(record.size)})

    async def meta(self, request: OssRequest) -> Answer:
        """GetObjectMeta: ETag, size and time only."""
        record = await self.threads.run(head_through, self.store, request.bucket, request.key)
        return Answer(200, {**short_headers(record), "content-length": str(record.size)})

    async def delete(self, request: OssRequest) -> Answer:
        """DeleteObject."""
        await self.threads.run(self.store.delete, request.bucket, [request.key])
        return Answer(204)

    async def copy(self, request: OssRequest) -> Answer:
        """CopyObject."""
        source = copy_source(request)
        given = attributes_of(request)
        replaces_meta = _directive(request, "x-oss-metadata-directive")
        replaces_tags = _directive(request, "x-oss-tagging-directive")

        def check(found: ObjectRecord) -> None:
            check_conditions(found, request.headers, "x-oss-copy-source-")
            check_readable(found)
            if found.size > MAX_COPY_BYTES:
                raise OssError("EntityTooLarge", "Objects of more than 5 GB are copied in parts.")

        def carried(found: ObjectRecord) -> Attributes:
            headers = given.headers if replaces_meta else found.headers
            tags = given.tags if replaces_tags else found.tags
            return Attributes(headers, tags, given.acl, given.storage_class)

        target = (request.bucket, request.key)
        forbid = request.flag("x-oss-forbid-overwrite")
        record = await self.threads.run(self.store.copy, source, target, check, carried, forbid_overwrite=forbid)
        answer = xml_answer(
            "CopyObjectResult", {"LastModified": xml.iso_time(record.modified_ms), "ETag": f'"{record.etag}"'}
        )
        answer.headers |= short_headers(record)
        return answer

    async def get_acl(self, request: OssRequest) -> Answer:
        """GetObjectACL."""
        record = await self.threads.run(self.store.head, request.bucket, request.key)
        return acl_answer(record.acl)

    async def put_acl(self, request: OssRequest) -> Answer:
        """PutObjectACL."""
        acl = acl_of(request)
        if acl is None:
            raise invalid_argument("The header x-oss-object-acl is missing.", "x-oss-object-acl", "")
        await self.threads.run(self.store.update, request.bucket, request.key, acl=acl)
        return Answer()

    async def get_tagging(self, request: OssRequest) -> Answer:
        """GetObjectTagging."""
        record = await self.threads.run(self.store.head, request.bucket, request.key)
        tags: list[tuple[str, xml.Content]] = [("Tag", {"Key": k, "Value": v}) for k, v in record.tags.items()]
        return xml_answer("Tagging", {"TagSet": tags})

    async def put_tagging(self, request: OssRequest) -> Answer:
        """PutObjectTagging."""
        root = xml.parse(await request.document(), "Tagging")
        pairs = [(xml.text_of(tag, "Key"), xml.text_of(tag, "Value")) for tag in root.iterfind("TagSet/Tag")]
        tags = check_tags(dict(pairs))
        if len(tags) != len(pairs):
            raise OssError("InvalidTag", "Cannot provide multiple Tags with the same key.")
        await self.threads.run(self.store.update, request.bucket, request.key, tags=tags)
        return Answer()

    async def delete_tagging(self, request: OssRequest) -> Answer:
        """DeleteObjectTagging."""
        await self.threads.run(self.store.update, request.bucket, request.key, tags={})
        return Answer(204)


def acl_answer(acl: str) -> Answer:
    """An access control policy with one grant."""
    owner = {"ID": OWNER, "DisplayName": OWNER}
    return xml_answer("AccessControlPolicy", {"Owner": owner, "AccessControlList": {"Grant": acl}})


def copy_source(request: OssRequest) -> tuple[str, str]:
    """Bucket and key of ``x-oss-copy-source`` (``/bucket/key``, the key percent-encoded)."""
    header = request.headers["x-oss-copy-source"]
    # Some clients send the key as bare UTF-8; the header then is a Latin-1 view of it.
    source = unquote(header.partition("?")[0].encode("latin-1").decode(errors="replace"))
    bucket, _, key = source.removeprefix("/").partition("/")
    if not bucket or not key:
        raise invalid_argument("Copy Source must mention the source bucket and key.", "x-oss-copy-source", header)
    check_bucket(bucket)
    check_key(key)
    return bucket, key


def _directive(request: OssRequest, header: str) -> bool:
    value = request.headers.get(header, "COPY")
    if value.upper() not in {"COPY", "REPLACE"}:
        raise invalid_argument(f"The {header} must be COPY or REPLACE.", header, value)
    return value.upper() == "REPLACE"


def _overrides(request: OssRequest) -> dict[str, str]:
    return {
        name: request.query[f"response-{name}"].encode().decode("latin-1")
        for name in _OVERRIDES
        if f"response-{name}" in request.query
    }
