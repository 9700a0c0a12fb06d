"""Prefixes of OSS buckets as folders: brought down before a process starts, brought back as it writes.

A mounted folder is a copy. What a process writes into a read-write mount becomes objects a few seconds later and for
certain at the process's end; what it writes into a read-only mount goes nowhere. What others write to the prefix
meanwhile is not seen.
"""

from __future__ import annotations

import json
import logging
import os
import re
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from localcloud.oss.errors import OssError
from localcloud.oss.listing import list_objects
from localcloud.oss.records import Attributes, ObjectRecord
from localcloud.oss.store import Store

_log = logging.getLogger(__name__)
_URI = re.compile(r"oss://([a-z0-9][a-z0-9-]{1,61}[a-z0-9])(?:\.[a-z0-9.:-]+)?(?:/(.*))?", re.DOTALL)
_CHUNK_BYTES = 1024 * 1024
_PAGE = 1000
# A file that was written to this short a time ago is probably not complete.
_SETTLED_NS = 1_000_000_000


class MountError(Exception):
    """A source that cannot be mounted; the message says why."""


@dataclass(frozen=True, slots=True)
class Mount:
    """One folder of one job or service. ``path`` is what its command says, ``folder`` is where the files lie."""

    bucket: str
    prefix: str
    path: str
    folder: Path
    writable: bool


def parse_uri(uri: str) -> tuple[str, str]:
    """Bucket and prefix of ``oss://bucket[.endpoint]/prefix``; the prefix is empty or ends with ``/``."""
    match = _URI.fullmatch(uri)
    if match is None:
        raise MountError(f"The data source {uri!r} is not oss://bucket/prefix or oss://bucket.endpoint/prefix.")
    prefix = match[2] or ""
    return match[1], prefix if not prefix or prefix.endswith("/") else f"{prefix}/"


def localized(text: str, mounts: Iterable[Mount]) -> str:
    """The text with each mount's path replaced by its folder, where the path stands as a whole.

    A mount path such as /mnt/data cannot exist for every job at once, so commands and environment are translated.
    """
    for mount in sorted(mounts, key=lambda mount: -len(mount.path)):
        pattern = rf"(?<![\w./-]){re.escape(mount.path.rstrip('/'))}(?![\w.-])"
        text = re.sub(pattern, lambda _, folder=str(mount.folder): folder, text)  # type: ignore[misc]
    return text


class Mounts:
    """Moves files between mounted folders and the OSS store of this process."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def download(self, mount: Mount) -> int:
        """Fill the folder with the objects below the prefix; returns how many. Raises ``MountError``."""
        mount.folder.mkdir(parents=True, exist_ok=True)
        known: dict[str, list[int]] = {}
        try:
            for record in self._objects(mount):
                name = record.key.removeprefix(mount.prefix)
                if not _is_file_name(name):
                    _log.warning(
                        "Object %r of bucket %s cannot be a file; it is not mounted.", record.key, mount.bucket
                    )
                elif name.endswith("/"):
                    (mount.folder / name).mkdir(parents=True, exist_ok=True)
                else:
                    known[name] = self._download_object(mount.bucket, record.key, mount.folder / name)
        except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
            raise MountError(
                f"oss://{mount.bucket}/{mount.prefix} cannot be mounted: {name!r} is a file and a folder at once."
            ) from error
        except OssError as error:
            raise MountError(f"oss://{mount.bucket}/{mount.prefix} cannot be mounted: {error.message}") from error
        _save_known(mount, known)
        return len(known)

    def _objects(self, mount: Mount) -> Iterable[ObjectRecord]:
        marker = ""
        while True:
            page = list_objects(self._store.database, mount.bucket, prefix=mount.prefix, marker=marker, limit=_PAGE)
            yield from (record for record in page.entries if record.key != mount.prefix)
            if not page.truncated:
                return
            marker = page.next_marker

    def _download_object(self, bucket: str, key: str, target: Path) -> list[int]:
        target.parent.mkdir(parents=True, exist_ok=True)
        with self._store.open(bucket, key) as reader, target.open("wb") as file:
            while chunk := reader.read(_CHUNK_BYTES):
                file.write(chunk)
        return _mark(target)

    def upload(self, mount: Mount, *, everything: bool = False) -> int:
        """Make objects of the files that are new or changed, and drop those of deleted files; returns how many.

        Files that are being written wait for the next time, unless ``everything`` says that this is the last one.
        """
        if not mount.writable:
            return 0
        known = _load_known(mount)
        seen: set[str] = set()
        changed = 0
        for path in _files(mount.folder):
            name = path.relative_to(mount.folder).as_posix()
            seen.add(name)
            try:
                mark = _mark(path)
                settled = everything or time.time_ns() - mark[1] > _SETTLED_NS
                if known.get(name) != mark and settled and self._upload_file(mount, name, path, mark):
                    known[name] = mark
                    changed += 1
            except FileNotFoundError:
                seen.discard(name)
        gone = sorted(set(known) - seen)
        if gone:
            self._store.delete(mount.bucket, [mount.prefix + name for name in gone])
            for name in gone:
                del known[name]
        if changed or gone:
            _save_known(mount, known)
            _log.info("oss://%s/%s took %d files and lost %d.", mount.bucket, mount.prefix, changed, len(gone))
        return changed + len(gone)

    def _upload_file(self, mount: Mount, name: str, path: Path, mark: list[int]) -> bool:
        """Put the file's bytes as they were at ``mark``; False if it changed while it was read."""
        writer = self._store.blobs.writer()
        try:
            with path.open("rb") as file:
                while chunk := file.read(_CHUNK_BYTES):
                    writer.write(chunk)
            written = writer.finish()
            if _mark(path) != mark:
                writer.discard()
                return False
            self._store.put(mount.bucket, mount.prefix + name, written, Attributes())
        except BaseException:
            writer.discard()
            raise
        return True


def _mark(path: Path) -> list[int]:
    status = path.stat()
    return [status.st_size, status.st_mtime_ns]


def _is_file_name(name: str) -> bool:
    parts = name.removesuffix("/").split("/")
    return "\0" not in name and all(part not in {"", ".", ".."} and len(part.encode()) < 256 for part in parts)


def _files(folder: Path) -> Iterable[Path]:
    for root, _, names in os.walk(folder):
        yield from (path for name in names if (path := Path(root, name)).is_file() and not path.is_symlink())


def _known_file(mount: Mount) -> Path:
    return mount.folder.with_name(f"{mount.folder.name}.known.json")


def _load_known(mount: Mount) -> dict[str, list[int]]:
    file = _known_file(mount)
    if not file.exists():
        return {}
    known: dict[str, list[int]] = json.loads(file.read_bytes())
    return known


def _save_known(mount: Mount, known: dict[str, list[int]]) -> None:
    file = _known_file(mount)
    fresh = file.with_suffix(".new")
    fresh.write_text(json.dumps(known))
    fresh.replace(file)
