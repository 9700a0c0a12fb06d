"""GetObject in gzip, for text that a client says it can unpack."""

from __future__ import annotations

import zlib
from collections.abc import Mapping

from localcloud.oss.records import ObjectRecord
from localcloud.oss.store import ObjectReader

_MIN_BYTES = 1024
_TYPES = frozenset(
    {
        "application/javascript",
        "application/json",
        "application/x-javascript",
        "application/xml",
        "text/css",
        "text/html",
        "text/javascript",
        "text/plain",
        "text/xml",
    }
)
_GZIP_BITS = 16 + zlib.MAX_WBITS


def is_compressed(record: ObjectRecord, headers: Mapping[str, str]) -> bool:
    """Whether the answer to these request headers is compressed: text of 1 KB or more, whole, and not packed yet."""
    accepted = {part.partition(";")[0].strip() for part in headers.get("accept-encoding", "").lower().split(",")}
    kind = record.headers.get("content-type", "").partition(";")[0].strip().lower()
    return (
        "gzip" in accepted
        and "range" not in headers
        and "content-encoding" not in record.headers
        and record.size >= _MIN_BYTES
        and kind in _TYPES
    )


class GzipReader:
    """Reads what another reader holds as gzip."""

    def __init__(self, reader: ObjectReader) -> None:
        self._reader = reader
        self._packer = zlib.compressobj(6, zlib.DEFLATED, _GZIP_BITS)
        self._ended = False

    def read(self, size: int) -> bytes:
        """Some packed bytes, of ``size`` bytes at a time before packing; empty at the end."""
        packed = b""
        while not packed and not self._ended:
            chunk = self._reader.read(size)
            self._ended = not chunk
            packed = self._packer.compress(chunk) if chunk else self._packer.flush()
        return packed

    def close(self) -> None:
        """Let the reader go."""
        self._reader.close()
