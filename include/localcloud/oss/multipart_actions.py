"""What can be asked of a multipart upload."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

from localcloud.oss import xml
from localcloud.oss.answer import Answer, short_headers, xml_answer
from localcloud.oss.blobs import Written
from localcloud.oss.conditions import check_conditions, parse_copy_range
from localcloud.oss.errors import OssError, invalid_argument
from localcloud.oss.multipart import MAX_PART_NUMBER, Part, Uploads
from localcloud.oss.object_actions import copy_source
from localcloud.oss.request import OssRequest
from localcloud.oss.store import Store
from localcloud.oss.uploading import Threads, attributes_of, received_body

_CHUNK_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class MultipartActions:
    """Handlers of the requests that begin, fill, list, complete or abort an upload."""

    store: Store
    uploads: Uploads
    threads: Threads

    async def begin(self, request: OssRequest) -> Answer:
        """InitiateMultipartUpload."""
        forbid = request.flag("x-oss-forbid-overwrite")
        upload_id = await self.threads.run(
            self.uploads.begin,
            request.bucket,
            request.key,
            attributes_of(request),
            forbid_overwrite=forbid,
            sequential="sequential" in request.query,
        )
        encoded = request.query.get("encoding-type") == "url"
        content: dict[str, xml.Content] = {"EncodingType": "url"} if encoded else {}
        content |= {
            "Bucket": request.bucket,
            "Key": quote(request.key, safe="") if encoded else request.key,
            "UploadId": upload_id,
        }
        return xml_answer("InitiateMultipartUploadResult", content)

    async def put_part(self, request: OssRequest) -> Answer:
        """UploadPart."""
        number, upload_id = _part_number(request), request.query["uploadId"]
        await self.threads.run(self.uploads.find, request.bucket, request.key, upload_id)
        async with received_body(request, self.store.blobs, self.threads) as written:
            part = await self.threads.run(
                self.uploads.put_part, request.bucket, request.key, upload_id, number, written
            )
        return Answer(200, {"etag": f'"{part.etag}"', "x-oss-hash-crc64ecma": str(part.crc64)})

    async def copy_part(self, request: OssRequest) -> Answer:
        """UploadPartCopy."""
        part = await self.threads.run(self._copy_part, request, _part_number(request))
        answer = xml_answer(
            "CopyPartResult", {"LastModified": xml.iso_time(part.modified_ms), "ETag": f'"{part.etag}"'}
        )
        answer.headers |= {"etag": f'"{part.etag}"', "x-oss-hash-crc64ecma": str(part.crc64)}
        return answer

    def _copy_part(self, request: OssRequest, number: int) -> Part:
        upload_id = request.query["uploadId"]
        self.uploads.find(request.bucket, request.key, upload_id)
        with self.store.open(*copy_source(request)) as reader:
            check_conditions(reader.record, request.headers, "x-oss-copy-source-")
            header = request.headers.get("x-oss-copy-source-range")
            if header is not None:
                reader.select(*parse_copy_range(header, reader.record.size))
            writer = self.store.blobs.writer()
            try:
                while chunk := reader.read(_CHUNK_BYTES):
                    writer.write(chunk)
                written: Written = writer.finish()
                return self.uploads.put_part(request.bucket, request.key, upload_id, number, written)
            except BaseException:
                writer.discard()
                raise

    async def complete(self, request: OssRequest) -> Answer:
        """CompleteMultipartUpload."""
        body = await request.document()
        listed = None
        if request.headers.get("x-oss-complete-all", "").lower() == "yes":
            if body:
                raise invalid_argument("The body must be empty with x-oss-complete-all.", "x-oss-complete-all", "yes")
        else:
            listed = _listed_parts(body)
        forbid = request.flag("x-oss-forbid-overwrite")
        record = await self.threads.run(
            self.uploads.complete,
            request.bucket,
            request.key,
            request.query["uploadId"],
            listed,
            forbid_overwrite=forbid,
        )
        encoded = request.query.get("encoding-type") == "url"
        key = quote(request.key, safe="") if encoded else request.key
        content: dict[str, xml.Content] = {"EncodingType": "url"} if encoded else {}
        content |= {
            "Location": f"http://{request.headers.get('host', '')}/{request.bucket}/{quote(request.key)}",
            "Bucket": request.bucket,
            "Key": key,
            "ETag": f'"{record.etag}"',
        }
        answer = xml_answer("CompleteMultipartUploadResult", content)
        answer.headers |= short_headers(record)
        return answer

    async def abort(self, request: OssRequest) -> Answer:
        """AbortMultipartUpload."""
        await self.threads.run(self.uploads.abort, request.bucket, request.key, request.query["uploadId"])
        return Answer(204)

    async def list_parts(self, request: OssRequest) -> Answer:
        """ListParts."""
        upload_id = request.query["uploadId"]
        limit = whole_number(request, "max-parts", 1000, 1, 1000)
        marker = whole_number(request, "part-number-marker", 0, 0, 2**31)
        parts = await self.threads.run(self.uploads.parts, request.bucket, request.key, upload_id)
        upload = await self.threads.run(self.uploads.find, request.bucket, request.key, upload_id)
        ahead = [part for part in parts if part.number > marker]
        shown = ahead[:limit]
        encoded = request.query.get("encoding-type") == "url"
        content: list[tuple[str, xml.Content]] = [("EncodingType", "url")] if encoded else []
        content += [
            ("Bucket", request.bucket),
            ("Key", quote(request.key, safe="") if encoded else request.key),
            ("UploadId", upload_id),
            ("StorageClass", upload.storage_class),
            ("PartNumberMarker", marker),
            ("NextPartNumberMarker", shown[-1].number if shown else marker),
            ("MaxParts", limit),
            ("IsTruncated", len(ahead) > limit),
        ]
        content += [
            (
                "Part",
                {
                    "PartNumber": part.number,
                    "LastModified": xml.iso_time(part.modified_ms),
                    "ETag": f'"{part.etag}"',
                    "HashCrc64ecma": str(part.crc64),
                    "Size": part.size,
                },
            )
            for part in shown
        ]
        return xml_answer("ListPartsResult", content)


def whole_number(request: OssRequest, name: str, default: int, low: int, high: int) -> int:
    """A query parameter between ``low`` and ``high``; raises ``InvalidArgument``."""
    text = request.query.get(name, "")
    if not text:
        return default
    if not text.isdecimal() or not low <= int(text) <= high:
        raise invalid_argument(f"Argument {name} must be an integer between {low} and {high}.", name, text)
    return int(text)


def _part_number(request: OssRequest) -> int:
    text = request.query.get("partNumber", "")
    if not text.isdecimal() or not 1 <= int(text) <= MAX_PART_NUMBER:
        raise invalid_argument("Part number must be an integer between 1 and 10000.", "partNumber", text)
    return int(text)


def _listed_parts(body: bytes) -> list[tuple[int, str]]:
    root = xml.parse(body, "CompleteMultipartUpload")
    listed = []
    for part in root.iterfind("Part"):
        number, etag = xml.text_of(part, "PartNumber").strip(), xml.text_of(part, "ETag").strip()
        if not number.isdecimal():
            raise xml.malformed()
        if not 1 <= int(number) <= MAX_PART_NUMBER:
            raise invalid_argument("Part number must be an integer between 1 and 10000.", "PartNumber", number)
        listed.append((int(number), etag))
    if not listed:
        raise OssError("MalformedXML", "The list of parts is empty.")
    return listed
