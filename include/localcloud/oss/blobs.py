"""Files of bytes: written once, never changed, named by random ids so that no key ever becomes a path."""

from __future__ import annotations

import hashlib
import os
import threading
import uuid
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from localcloud.oss import crc64


@dataclass(frozen=True, slots=True)
class Written:
    """A blob that is on disk in full: its id, length in bytes and both checksums."""

    blob: str
    size: int
    md5: bytes
    crc64: int


@dataclass(frozen=True, slots=True)
class Segment:
    """``length`` bytes of a blob from ``start`` on."""

    blob: str
    start: int
    length: int


class BlobWriter:
    """Takes bytes, hashes them on the way, and ends in a blob (``finish``) or in nothing (``discard``)."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = path.open("xb", buffering=0)
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._crc64 = 0
        self.size = 0

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Append ``data``."""
        rest = memoryview(data)
        self._md5.update(rest)
        self._crc64 = crc64.update(data, self._crc64)
        self.size += len(rest)
        while rest:
            rest = rest[self._file.write(rest) :]

    def finish(self) -> Written:
        """Bring the bytes and the file's name to disk."""
        os.fsync(self._file.fileno())
        self._file.close()
        _sync_directory(self._path.parent)
        return Written(self._path.name, self.size, self._md5.digest(), self._crc64)

    def discard(self) -> None:
        """Forget what was written."""
        self._file.close()
        self._path.unlink(missing_ok=True)


class Blobs:
    """The blob files under one folder, and who is reading them now."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._lock = threading.Lock()
        self._pins: Counter[str] = Counter()
        self._doomed: set[str] = set()
        for number in range(256):
            (root / f"{number:02x}").mkdir(parents=True, exist_ok=True)
        _sync_directory(root)

    def path(self, blob: str) -> Path:
        """Where the blob lies."""
        return self._root / blob[:2] / blob

    def writer(self) -> BlobWriter:
        """Begin a new blob."""
        return BlobWriter(self.path(uuid.uuid4().hex))

    def pin(self, blobs: Iterable[str]) -> None:
        """Keep the files while somebody reads them, even if their objects are deleted meanwhile."""
        with self._lock:
            self._pins.update(blobs)

    def unpin(self, blobs: Iterable[str]) -> None:
        """Give back what ``pin`` took; files doomed meanwhile go now."""
        with self._lock:
            self._pins.subtract(blobs)
            free = {blob for blob in self._doomed if self._pins[blob] <= 0}
            self._doomed -= free
            self._pins = +self._pins
        self._unlink(free)

    def remove(self, blobs: Iterable[str]) -> None:
        """Delete files that no committed row names any more."""
        with self._lock:
            blobs = set(blobs)
            pinned = {blob for blob in blobs if self._pins[blob] > 0}
            self._doomed |= pinned
        self._unlink(blobs - pinned)

    def sweep(self, known: set[str]) -> int:
        """Delete the leftovers of a process that was killed; returns how many there were."""
        orphans = [path.name for path in self._root.glob("??/*") if path.name not in known]
        self._unlink(orphans)
        return len(orphans)

    def _unlink(self, blobs: Iterable[str]) -> None:
        for blob in blobs:
            self.path(blob).unlink(missing_ok=True)


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
