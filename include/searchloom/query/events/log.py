"""The event log of this process: many requests, one write to the disk; uploads in the background."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from searchloom.errors import SearchloomError
from searchloom.query.events.schema import Record
from searchloom.query.events.spool import Spool
from searchloom.query.limits import TooMany
from searchloom.settings import Events

if TYPE_CHECKING:
    from searchloom.cloud.oss import Oss

log = logging.getLogger(__name__)

REMEMBERED = 200_000
"""Events whose ids are known, so that one that is sent again counts once; later ones are sorted out by the readers."""
_MAX_PENDING = 8 * 1024 * 1024
"""Bytes of events of our own that may wait for the disk; more are dropped: showing results must not wait for them."""
_STOP_S = 5.0

_Key = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of some records."""

    accepted: int
    duplicates: int


@dataclass(slots=True)
class _Batch:
    lines: list[bytes]
    written: asyncio.Future[None] | None


class EventLog:
    """Takes records on one event loop. ``heard`` is told of every record once it is safe."""

    def __init__(
        self, folder: Path, settings: Events, open_store: Callable[[], Oss], heard: Callable[[Record], None]
    ) -> None:
        self._spool = Spool(folder, max_bytes=settings.spool_mb * 1024 * 1024)
        self._settings = settings
        self._open_store = open_store
        self._heard = heard
        self._disk = ThreadPoolExecutor(1, thread_name_prefix="events-disk")
        self._known: OrderedDict[_Key, asyncio.Future[None] | None] = OrderedDict()  # None: it is safe
        self._batches: list[_Batch] = []
        self._pending = 0
        self._dropped = 0
        self._wake = asyncio.Event()
        self._stopping = threading.Event()
        self._writer: asyncio.Task[None] | None = None
        self._uploader = threading.Thread(target=self._upload_now_and_then, name="events-upload", daemon=True)
        self.last_failure = ""

    @property
    def waiting_bytes(self) -> int:
        """Bytes on the disk that are not in OSS yet."""
        return self._spool.size

    def start(self) -> None:
        """Begin to write and to upload; what an earlier process left is known and uploaded too."""
        for record in self._spool.records():
            self._remember(_key(record))
            self._heard(record)
        self._writer = asyncio.create_task(self._write())
        self._uploader.start()

    async def stop(self) -> None:
        """Write what is pending, and try for a few seconds to upload it; the rest waits for the next start."""
        if self._writer:
            self._stopping.set()
            self._wake.set()
            await self._writer
            await asyncio.to_thread(self._uploader.join, _STOP_S)
        self._disk.shutdown(wait=False)

    async def take(self, records: Sequence[Record]) -> Taken:
        """Write records down; returns once they are safe. Raises ``TooMany`` where there is no room for them."""
        before = {self._known.get(_key(record)) for record in records} - {None}
        fresh = self._fresh(records)
        if fresh:
            written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._hand_over(fresh, written)
            before.add(written)
        for waited in before:
            if waited is not None:
                await asyncio.shield(waited)
        return Taken(len(fresh), len(records) - len(fresh))

    def note(self, records: Sequence[Record]) -> None:
        """Write records of our own down, some time soon; nobody waits for it, and where there is no room they go."""
        fresh = self._fresh(records)
        if self._pending > _MAX_PENDING or self._writer is None:
            self._drop(len(fresh))
        elif fresh:
            self._hand_over(fresh, None)

    def _fresh(self, records: Sequence[Record]) -> list[Record]:
        found = []
        for record in records:
            key = _key(record)
            if key not in self._known:
                self._remember(key)
                found.append(record)
        return found

    def _remember(self, key: _Key) -> None:
        self._known[key] = None
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)

    def _hand_over(self, records: Sequence[Record], written: asyncio.Future[None] | None) -> None:
        keys = [_key(record) for record in records]
        if written:
            self._known.update(dict.fromkeys(keys, written))
            written.add_done_callback(lambda done: self._settle(keys, done))
        lines = [record.line() for record in records]
        self._pending += sum(map(len, lines))
        self._batches.append(_Batch(lines, written))
        self._wake.set()
        for record in records:
            self._heard(record)

    def _settle(self, keys: Sequence[_Key], done: asyncio.Future[None]) -> None:
        """What was written is safe; what could not be was not taken: sent again, it is no duplicate."""
        lost = done.cancelled() or done.exception() is not None
        for key in keys:
            if lost:
                self._known.pop(key, None)
            elif key in self._known:
                self._known[key] = None

    async def _write(self) -> None:
        """Write whatever has come since the last write, in one go: a sync of the disk takes the same for many."""
        loop = asyncio.get_running_loop()
        while not (self._stopping.is_set() and not self._batches):
            await self._wake.wait()
            self._wake.clear()
            batches, self._batches = self._batches, []
            self._pending = 0
            if not batches:
                continue
            lines = [line for batch in batches for line in batch.lines]
            try:
                await loop.run_in_executor(self._disk, self._spool.append, lines)
            except (TooMany, OSError) as error:
                self._fail(batches, error)
                continue
            for batch in batches:
                if batch.written and not batch.written.done():
                    batch.written.set_result(None)

    def _fail(self, batches: Sequence[_Batch], error: Exception) -> None:
        for batch in batches:
            if batch.written is None:
                self._drop(len(batch.lines))
            elif not batch.written.done():
                batch.written.set_exception(error)
        if not isinstance(error, TooMany):
            log.error("events cannot be written to the disk: %s", error)

    def _drop(self, count: int) -> None:
        if count and not self._dropped:
            log.warning("events of what was shown are dropped: there is no room for them")
        self._dropped += count

    def _upload_now_and_then(self) -> None:
        store: Oss | None = None
        while True:
            ending = self._stopping.wait(self._settings.upload_s)
            try:
                self._disk.submit(self._spool.seal).result()
                store = store or self._open_store()
                count = self._spool.upload(store.put)
            except (SearchloomError, OSError) as error:
                if not self.last_failure:  # once, not every few seconds
                    log.warning("events wait on the disk, for they cannot be uploaded: %s", error)
                self.last_failure = str(error)
            except RuntimeError:  # the disk's thread is gone: the process ends
                return
            else:
                if self.last_failure:
                    log.info("events can be uploaded again; %d were", count)
                self.last_failure = ""
            if ending:
                return


def _key(record: Record) -> _Key:
    return record.tenant, record.user_id, record.event_id
