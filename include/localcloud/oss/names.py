"""What buckets, objects and tags may be called."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl

from localcloud.oss.errors import OssError

_BUCKET = re.compile(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]")
_TAG = re.compile(r"[\w +\-=.:/]*", re.UNICODE)
MAX_KEY_BYTES = 1023
MAX_TAGS = 10


def check_bucket(name: str) -> None:
    """3 to 63 lower-case letters, digits and hyphens, no hyphen at either end."""
    if not _BUCKET.fullmatch(name):
        raise OssError("InvalidBucketName", "The specified bucket is not valid.", BucketName=name)


def check_key(key: str) -> None:
    """1 to 1,023 bytes of UTF-8 that do not begin with a slash or a backslash."""
    if not key or key[0] in "/\\" or len(key.encode()) > MAX_KEY_BYTES:
        raise OssError("InvalidObjectName", "The specified object is not valid.", ObjectName=key)


def parse_tags(header: str) -> dict[str, str]:
    """``a=1&b=2`` of the ``x-oss-tagging`` header, percent-encoded, as a checked mapping."""
    pairs = parse_qsl(header, keep_blank_values=True)
    tags = dict(pairs)
    if len(tags) != len(pairs):
        raise OssError("InvalidTag", "Cannot provide multiple Tags with the same key.")
    return check_tags(tags)


def check_tags(tags: dict[str, str]) -> dict[str, str]:
    """At most 10 tags; keys of 1 to 128 characters, values of up to 256, of the documented alphabet."""
    if len(tags) > MAX_TAGS:
        raise OssError("InvalidTag", "Object tags cannot be greater than 10.")
    for key, value in tags.items():
        if not 1 <= len(key) <= 128 or not _TAG.fullmatch(key):
            raise OssError("InvalidTag", "The TagKey you have provided is invalid.", TagKey=key)
        if len(value) > 256 or not _TAG.fullmatch(value):
            raise OssError("InvalidTag", "The TagValue you have provided is invalid.", TagValue=value)
    return tags
