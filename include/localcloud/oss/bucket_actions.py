"""What can be asked of the service and of one bucket."""

from __future__ import annotations

import base64
import binascii
import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from urllib.parse import quote

from localcloud.oss import xml
from localcloud.oss.answer import Answer, xml_answer
from localcloud.oss.archive import restore_state
from localcloud.oss.errors import OssError, invalid_argument
from localcloud.oss.listing import Page, count_objects, list_buckets, list_objects, list_uploads
from localcloud.oss.multipart_actions import whole_number
from localcloud.oss.names import check_key
from localcloud.oss.object_actions import OWNER, acl_answer
from localcloud.oss.records import BucketRecord, ObjectRecord
from localcloud.oss.request import OssRequest
from localcloud.oss.store import Store
from localcloud.oss.uploading import Threads, acl_of, storage_class_of

_OWNER: xml.Content = {"ID": OWNER, "DisplayName": OWNER}
_MAX_DELETES = 1000
# What GetBucketStat calls the storage classes.
_STAT_ELEMENTS = {
    "Standard": "Standard",
    "IA": "InfrequentAccess",
    "Archive": "Archive",
    "ColdArchive": "ColdArchive",
    "DeepColdArchive": "DeepColdArchive",
}


@dataclass(frozen=True, slots=True)
class BucketActions:
    """Handlers of the requests that name no key."""

    store: Store
    threads: Threads
    region: str

    async def list_buckets(self, request: OssRequest) -> Answer:
        """ListBuckets (GetService)."""
        limit = whole_number(request, "max-keys", 100, 1, 1000)
        prefix, marker = request.query.get("prefix", ""), request.query.get("marker", "")
        page = await self.threads.run(list_buckets, self.store.database, prefix=prefix, marker=marker, limit=limit)
        content: list[tuple[str, xml.Content]] = []
        if page.truncated:
            content += [("Prefix", prefix), ("Marker", marker), ("MaxKeys", limit), ("IsTruncated", True)]
            content += [("NextMarker", page.next_marker)]
        buckets: list[tuple[str, xml.Content]] = [
            ("Bucket", self._describe(bucket, request)) for bucket in page.entries
        ]
        return xml_answer("ListAllMyBucketsResult", [*content, ("Owner", _OWNER), ("Buckets", buckets)])

    def _describe(self, bucket: BucketRecord, request: OssRequest) -> dict[str, xml.Content]:
        host = request.headers.get("host", "")
        return {
            "CreationDate": xml.iso_time(bucket.created_ms),
            "ExtranetEndpoint": host,
            "IntranetEndpoint": host,
            "Location": f"oss-{self.region}",
            "Name": bucket.name,
            "Region": self.region,
            "StorageClass": bucket.storage_class,
        }

    async def create(self, request: OssRequest) -> Answer:
        """PutBucket."""
        storage_class = storage_class_of(request)
        body = await request.document()
        if body.strip():
            found = xml.parse(body, "CreateBucketConfiguration").find("StorageClass")
            if found is not None and found.text:
                storage_class = found.text
        await self.threads.run(self.store.create_bucket, request.bucket, acl_of(request), storage_class)
        return Answer(200, {"location": f"/{request.bucket}"})

    async def delete(self, request: OssRequest) -> Answer:
        """DeleteBucket."""
        await self.threads.run(self.store.delete_bucket, request.bucket)
        return Answer(204)

    async def info(self, request: OssRequest) -> Answer:
        """GetBucketInfo."""
        bucket = await self.threads.run(self.store.bucket, request.bucket)
        described = self._describe(bucket, request) | {
            "Owner": _OWNER,
            "AccessControlList": {"Grant": bucket.acl},
            "DataRedundancyType": "LRS",
            "Comment": "",
            "ServerSideEncryptionRule": {"SSEAlgorithm": "None"},
        }
        return xml_answer("BucketInfo", {"Bucket": described})

    async def location(self, request: OssRequest) -> Answer:
        """GetBucketLocation."""
        await self.threads.run(self.store.bucket, request.bucket)
        return xml_answer("LocationConstraint", f"oss-{self.region}")

    async def get_acl(self, request: OssRequest) -> Answer:
        """GetBucketAcl."""
        bucket = await self.threads.run(self.store.bucket, request.bucket)
        return acl_answer(bucket.acl)

    async def put_acl(self, request: OssRequest) -> Answer:
        """PutBucketAcl."""
        acl = acl_of(request)
        if acl is None:
            raise invalid_argument("The header x-oss-acl is missing.", "x-oss-acl", "")
        await self.threads.run(self.store.set_bucket_acl, request.bucket, acl)
        return Answer()

    async def stat(self, request: OssRequest) -> Answer:
        """GetBucketStat."""
        totals, uploads = await self.threads.run(count_objects, self.store.database, request.bucket)
        content: dict[str, xml.Content] = {
            "Storage": sum(size for _, size in totals.values()),
            "ObjectCount": sum(count for count, _ in totals.values()),
            "MultipartUploadCount": uploads,
            "LiveChannelCount": 0,
            "LastModifiedTime": int(time.time()),
        }
        for storage_class, element in _STAT_ELEMENTS.items():
            count, size = totals.get(storage_class, (0, 0))
            content |= {f"{element}Storage": size, f"{element}ObjectCount": count}
            if storage_class != "Standard":
                content[f"{element}RealStorage"] = size
        return xml_answer("BucketStat", content)

    async def list_v1(self, request: OssRequest) -> Answer:
        """ListObjects (GetBucket)."""
        query = request.query
        limit, marker = whole_number(request, "max-keys", 100, 1, 1000), query.get("marker", "")
        prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
        page = await self._page(request, marker, limit)
        text = _encoder(request)
        content: list[tuple[str, xml.Content]] = [
            ("Name", request.bucket),
            ("Prefix", text(prefix)),
            ("Marker", text(marker)),
            ("MaxKeys", limit),
            ("Delimiter", text(delimiter)),
            *_encoding(request),
            ("IsTruncated", page.truncated),
        ]
        if page.truncated:
            content.append(("NextMarker", text(page.next_marker)))
        return await self.threads.run(_listing_answer, content, page, text, owner=True)

    async def list_v2(self, request: OssRequest) -> Answer:
        """ListObjectsV2."""
        query = request.query
        limit = whole_number(request, "max-keys", 100, 1, 1000)
        token, start_after = query.get("continuation-token", ""), query.get("start-after", "")
        page = await self._page(request, _open_token(token) if token else start_after, limit)
        text = _encoder(request)
        content: list[tuple[str, xml.Content]] = [
            ("Name", request.bucket),
            ("Prefix", text(query.get("prefix", ""))),
            ("MaxKeys", limit),
            ("Delimiter", text(query.get("delimiter", ""))),
            *_encoding(request),
            ("IsTruncated", page.truncated),
            ("KeyCount", len(page)),
        ]
        if start_after:
            content.append(("StartAfter", text(start_after)))
        if token:
            content.append(("ContinuationToken", token))
        if page.truncated:
            content.append(("NextContinuationToken", base64.urlsafe_b64encode(page.next_marker.encode()).decode()))
        return await self.threads.run(
            _listing_answer, content, page, text, owner=query.get("fetch-owner", "").lower() == "true"
        )

    async def _page(self, request: OssRequest, marker: str, limit: int) -> Page[ObjectRecord]:
        return await self.threads.run(
            list_objects,
            self.store.database,
            request.bucket,
            prefix=request.query.get("prefix", ""),
            delimiter=request.query.get("delimiter", ""),
            marker=marker,
            limit=limit,
        )

    async def list_uploads(self, request: OssRequest) -> Answer:
        """ListMultipartUploads."""
        query = request.query
        limit = whole_number(request, "max-uploads", 1000, 1, 1000)
        page, next_id = await self.threads.run(
            list_uploads,
            self.store.database,
            request.bucket,
            prefix=query.get("prefix", ""),
            delimiter=query.get("delimiter", ""),
            key_marker=query.get("key-marker", ""),
            upload_id_marker=query.get("upload-id-marker", ""),
            limit=limit,
        )
        text = _encoder(request)
        content: list[tuple[str, xml.Content]] = [
            ("Bucket", request.bucket),
            *_encoding(request),
            ("KeyMarker", text(query.get("key-marker", ""))),
            ("UploadIdMarker", query.get("upload-id-marker", "")),
            # Clients insist on both elements, also on the last page.
            ("NextKeyMarker", text(page.next_marker)),
            ("NextUploadIdMarker", next_id),
            ("Delimiter", text(query.get("delimiter", ""))),
            ("Prefix", text(query.get("prefix", ""))),
            ("MaxUploads", limit),
            ("IsTruncated", page.truncated),
        ]
        content += [
            (
                "Upload",
                {
                    "Key": text(upload.key),
                    "UploadId": upload.upload_id,
                    "StorageClass": upload.storage_class,
                    "Initiated": xml.iso_time(upload.begun_ms),
                },
            )
            for upload in page.entries
        ]
        content += [("CommonPrefixes", {"Prefix": text(prefix)}) for prefix in page.prefixes]
        return xml_answer("ListMultipartUploadsResult", content)

    async def delete_objects(self, request: OssRequest) -> Answer:
        """DeleteMultipleObjects."""
        body = await request.document()
        _check_digest(request, body)
        root = xml.parse(body, "Delete")
        keys = [xml.text_of(element, "Key") for element in root.iterfind("Object")]
        if not 1 <= len(keys) <= _MAX_DELETES:
            raise xml.malformed()
        for key in keys:
            check_key(key)
        await self.threads.run(self.store.delete, request.bucket, keys)
        quiet = (root.findtext("Quiet") or "").strip().lower() == "true"
        text = _encoder(request)
        content: list[tuple[str, xml.Content]] = [*_encoding(request)]
        if not quiet:
            content += [("Deleted", {"Key": text(key)}) for key in keys]
        return xml_answer("DeleteResult", content)


def _encoder(request: OssRequest) -> Callable[[str], str]:
    """How keys are written in the answer: ``encoding-type=url`` asks for percent-encoding."""
    kind = request.query.get("encoding-type", "")
    if kind not in {"", "url"}:
        raise invalid_argument("Invalid Encoding Method specified in Request.", "encoding-type", kind)
    return partial(quote, safe="") if kind else str


def _encoding(request: OssRequest) -> list[tuple[str, xml.Content]]:
    return [("EncodingType", "url")] if request.query.get("encoding-type") == "url" else []


def _listing_answer(
    content: list[tuple[str, xml.Content]], page: Page[ObjectRecord], text: Callable[[str], str], *, owner: bool
) -> Answer:
    owners: list[tuple[str, xml.Content]] = [("Owner", _OWNER)] if owner else []
    for record in page.entries:
        described: list[tuple[str, xml.Content]] = [
            ("Key", text(record.key)),
            ("LastModified", xml.iso_time(record.modified_ms)),
            ("ETag", f'"{record.etag}"'),
            ("Type", record.kind),
            ("Size", record.size),
            ("StorageClass", record.storage_class),
        ]
        restore = restore_state(record)
        if restore:
            described.append(("RestoreInfo", restore))
        content.append(("Contents", described + owners))
    content += [("CommonPrefixes", {"Prefix": text(prefix)}) for prefix in page.prefixes]
    return xml_answer("ListBucketResult", content)


def _open_token(token: str) -> str:
    try:
        return base64.b64decode(token, altchars=b"-_", validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        raise invalid_argument("The continuation token is not valid.", "continuation-token", token) from None


def _check_digest(request: OssRequest, body: bytes) -> None:
    header = request.headers.get("content-md5")
    if header is not None and header != base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode():
        raise OssError("InvalidDigest", "The Content-MD5 you specified did not match what we received.")
