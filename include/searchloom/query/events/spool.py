"""Events on the local disk, until they are in OSS: written and synced before anybody is told that they were taken.

A process writes one open file at a time and holds a lock on it. A file is sealed by renaming it; the open file of a
process that was killed can be told by its lock, which died with it, and is sealed by whoever finds it. Uploading a
file twice writes the same objects again, so that a crash at any moment loses nothing and changes nothing.
"""

from __future__ import annotations

import fcntl
import logging
import os
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from searchloom.query.events.schema import Record, log_key, read_line
from searchloom.query.limits import TooMany

log = logging.getLogger(__name__)

MAX_FILE_BYTES = 4 * 1024 * 1024
_OPEN, _SEALED = ".open", ".jsonl"
_RETRY_AFTER_S = 30.0

Put = Callable[[str, bytes], object]
"""Writes an object, whole: key, content."""


class Spool:
    """A folder of event files; several processes may share it. Its methods block: call them from a thread."""

    def __init__(self, folder: Path, *, max_bytes: int) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self._file: int | None = None
        self._path = folder
        self._written = 0
        self._others = 0  # bytes of all files but the open one, as of the last look
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.measure()

    @property
    def size(self) -> int:
        """Bytes that wait here for OSS."""
        return self._others + self._written

    def append(self, lines: Sequence[bytes]) -> None:
        """Write lines and sync them to the disk; raises ``TooMany`` where the spool is full, and ``OSError``."""
        data = b"".join(lines)
        if self.size + len(data) > self._max_bytes:
            raise full(self._max_bytes)
        file = self._open() if self._file is None else self._file
        try:
            _write(file, data)
        except OSError:
            os.ftruncate(file, self._written)  # half a line must not spoil the next one
            raise
        self._written += len(data)
        if self._written >= MAX_FILE_BYTES:
            self.seal()

    def seal(self) -> None:
        """Close the open file, so that it can be uploaded; the next event opens another."""
        if self._file is None:
            return
        self._path.rename(self._path.with_suffix(_SEALED))
        os.close(self._file)
        self._others += self._written
        self._file, self._written = None, 0

    def upload(self, put: Put) -> int:
        """Upload every sealed file, and those of processes that have ended; returns how many events there were.

        Raises what ``put`` raises; what was not uploaded stays.
        """
        count = 0
        for path in self._waiting():
            with _locked(path) as mine:
                if mine and path.exists():
                    count += _upload(path, put)
                    path.unlink(missing_ok=True)
        self.measure()
        return count

    def records(self) -> Iterator[Record]:
        """Everything that waits here, of whatever process."""
        for path in sorted(self._folder.glob("*.*")):
            yield from _records(path)

    def measure(self) -> None:
        """Look up how much the files take, also those of other processes."""
        total = 0
        for path in self._folder.iterdir():
            try:
                total += path.stat().st_size
            except FileNotFoundError:
                continue  # uploaded meanwhile by another process
        self._others = total - self._written

    def _open(self) -> int:
        name = f"{int(time.time() * 1000):013d}-{uuid.uuid4().hex}"
        draft, self._path = self._folder / f".{name}", self._folder / f"{name}{_OPEN}"
        file = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        fcntl.flock(file, fcntl.LOCK_EX)
        draft.rename(self._path)  # nobody sees it without its lock
        folder = os.open(self._folder, os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)
        self._file = file
        return file

    def _waiting(self) -> list[Path]:
        for path in self._folder.glob(f"*{_OPEN}"):
            if path == self._path and self._file is not None:
                continue
            with _locked(path) as mine:
                if mine and path.exists():
                    path.rename(path.with_suffix(_SEALED))
                    log.info("%s was left by a process that has ended; its events are uploaded now", path.name)
        return sorted(self._folder.glob(f"*{_SEALED}"))


def full(max_bytes: int) -> TooMany:
    """The error for an event that there is no room for."""
    megabytes = max_bytes // (1024 * 1024)
    sentence = f"{megabytes} MB of events wait for the object store, which is as much as may; send them again later"
    return TooMany(sentence, retry_after_s=_RETRY_AFTER_S)


def _write(file: int, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(file, left) :]
    os.fdatasync(file)


@contextmanager
def _locked(path: Path) -> Iterator[bool]:
    """Hold a file's lock while the block runs, unless somebody else does."""
    try:
        file = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        yield False
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield True
    except BlockingIOError:
        yield False
    finally:
        os.close(file)


def _records(path: Path) -> Iterator[Record]:
    try:
        lines = path.read_bytes().splitlines(keepends=True)
    except FileNotFoundError:
        return
    broken = 0
    for line in lines:
        try:
            record = read_line(line)
        except ValueError:
            broken += line.endswith(b"\n")  # else the process was killed while it wrote: nobody was told it was taken
            continue
        yield record
    if broken:
        log.warning("%s holds %d lines that are no events; they are left out", path.name, broken)


def _upload(path: Path, put: Put) -> int:
    days: dict[str, list[bytes]] = {}
    for record in _records(path):
        days.setdefault(record.day, []).append(record.line())
    for day, lines in days.items():
        put(log_key(day, path.stem), b"".join(lines))
    return sum(len(lines) for lines in days.values())
