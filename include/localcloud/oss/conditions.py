"""Conditional headers and byte ranges."""

from __future__ import annotations

import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

from localcloud.oss.errors import OssError, invalid_argument
from localcloud.oss.records import ObjectRecord

_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


def check_conditions(record: ObjectRecord, headers: Mapping[str, str], prefix: str = "") -> None:
    """Hold the object against ``If-*`` headers; raises ``PreconditionFailed`` or ``NotModified``.

    ``prefix`` is ``x-oss-copy-source-`` for the source of a copy.
    """
    match, none_match = headers.get(f"{prefix}if-match"), headers.get(f"{prefix}if-none-match")
    modified, unmodified = headers.get(f"{prefix}if-modified-since"), headers.get(f"{prefix}if-unmodified-since")
    seconds = record.modified_ms // 1000
    if match is not None and not _names(match, record.etag):
        raise _failed("If-Match")
    if unmodified is not None and seconds > _seconds(unmodified):
        raise _failed("If-Unmodified-Since")
    if none_match is not None:
        if _names(none_match, record.etag):
            raise OssError("NotModified", "The object has not changed.")
    elif modified is not None and seconds <= _seconds(modified):
        raise OssError("NotModified", "The object has not changed.")


def _names(header: str, etag: str) -> bool:
    return header.strip() == "*" or etag.upper() in {part.strip().strip('"').upper() for part in header.split(",")}


def _seconds(date: str) -> float:
    try:
        return parsedate_to_datetime(date).timestamp()
    except ValueError:
        raise invalid_argument("A date in a conditional header cannot be read.", "date", date) from None


def _failed(condition: str) -> OssError:
    return OssError(
        "PreconditionFailed", "At least one of the pre-conditions you specified did not hold.", Condition=condition
    )


def parse_range(header: str | None, size: int, *, standard: bool) -> tuple[int, int] | None:
    """First byte and length of the range that is asked for, or None for the whole object.

    OSS ignores a range that does not lie within the object, unless the client asks for the ``standard`` behaviour
    (``x-oss-range-behavior``): then the end is cut off, and a start behind the end is ``InvalidRange``.
    """
    found = _RANGE.fullmatch((header or "").replace(" ", ""))
    if found is None or found[0] == "bytes=-":
        return None
    if not found[1]:
        first, last = size - int(found[2]), size - 1
        inside = 0 <= first <= last
        first = max(first, 0)
    else:
        first, last = int(found[1]), int(found[2]) if found[2] else size - 1
        if found[2] and last < first:
            return None
        inside = last < size
        last = min(last, size - 1)
    if inside and first <= last:
        return first, last - first + 1
    if not standard:
        return None
    if first > last:
        raise OssError("InvalidRange", "The requested range cannot be satisfied", ActualObjectSize=size)
    return first, last - first + 1


def parse_copy_range(header: str, size: int) -> tuple[int, int]:
    """First byte and length of ``x-oss-copy-source-range``; raises ``InvalidArgument`` outside the object."""
    chosen = parse_range(header, size, standard=False)
    if chosen is None:
        raise invalid_argument("The range of the copy source is not valid.", "x-oss-copy-source-range", header)
    return chosen
