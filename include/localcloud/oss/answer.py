"""An answer before it goes on the wire."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Protocol

from localcloud.oss import xml
from localcloud.oss.records import ObjectRecord

# These headers of a PutObject come back with every GetObject.
KEPT_HEADERS = (
    "content-type",
    "content-encoding",
    "content-disposition",
    "content-language",
    "cache-control",
    "expires",
)


class BodyReader(Protocol):
    """A body that is read front to back."""

    def read(self, size: int, /) -> bytes:
        """Some bytes, about ``size``; empty at the end."""

    def close(self) -> None:
        """Let the body go."""


@dataclass(slots=True)
class Answer:
    """Status, headers and body; one that a ``reader`` holds is sent in chunks unless ``content-length`` is set."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    reader: BodyReader | None = None


def xml_answer(root: str, content: xml.Content) -> Answer:
    """A document as answer."""
    return Answer(200, {"content-type": "application/xml"}, xml.document(root, content))


def http_time(milliseconds: int) -> str:
    """A time as headers write it."""
    return formatdate(milliseconds // 1000, usegmt=True)


def short_headers(record: ObjectRecord) -> dict[str, str]:
    """What every answer about an object's version says."""
    return {
        "etag": f'"{record.etag}"',
        "last-modified": http_time(record.modified_ms),
        "x-oss-hash-crc64ecma": str(record.crc64),
    }


def full_headers(record: ObjectRecord) -> dict[str, str]:
    """What GetObject and HeadObject say besides the length."""
    headers = {"content-type": "application/octet-stream", **record.headers, **short_headers(record)}
    headers["accept-ranges"] = "bytes"
    headers["x-oss-object-type"] = record.kind
    headers["x-oss-storage-class"] = record.storage_class
    if "content-md5" in record.properties:
        headers["content-md5"] = record.properties["content-md5"]
    elif record.kind != "Appendable" and "-" not in record.etag:
        headers["content-md5"] = base64.b64encode(bytes.fromhex(record.etag)).decode()
    if record.tags:
        headers["x-oss-tagging-count"] = str(len(record.tags))
    if record.kind == "Appendable":
        headers["x-oss-next-append-position"] = str(record.size)
    return headers
