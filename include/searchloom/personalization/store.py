"""What serving knows of each person, in one memory-mapped file (LMDB): readers never wait, a crash loses nothing.

A person takes about 680 bytes at most: a hundred items by their number and interest, eight affinities, a mean vector of
64 half-precision numbers. Persons are found by a hash of tenant and user: their names are not in the file. Nightly the
file is written anew from the log (``replace``: full pages, in order of the keys); in between events change it in place.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import lmdb
import numpy as np

from searchloom.errors import Terminal
from searchloom.personalization.heard import key_of
from searchloom.personalization.person import Person

__all__ = ["MAP_BYTES", "Store", "key_of"]

MAP_BYTES = 4 << 30
"""Address space, not memory or disk: the file takes what is in it."""

_HEAD = struct.Struct("<BIIIBBB")  # version, events, first, last, items, categories, dims
_VERSION = 1
_STEP = 16.0
_BATCH = 20_000


class Store:
    """Persons by key. One process writes, any number read; a value that comes out is the one that went in, to the bit.

    Means are of one model's vectors: each version of a model has a store of its own.
    """

    def __init__(self, folder: Path, *, writes: bool = True, map_bytes: int = MAP_BYTES) -> None:
        if writes:
            folder.mkdir(parents=True, exist_ok=True)
        try:
            self._file = lmdb.open(
                str(folder),
                map_size=map_bytes,
                max_dbs=4,
                max_readers=1024,  # threads of all processes
                readonly=not writes,
                metasync=False,
                readahead=False,
            )
            self._persons, self._numbers, self._names, self._notes = (
                self._file.open_db(name, create=writes) for name in (b"persons", b"numbers", b"names", b"notes")
            )
        except lmdb.Error as error:
            raise Terminal(f"the store of persons {folder} cannot be opened: {error}") from error
        self._known: dict[str, int] = {}
        self._called: dict[int, str] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __len__(self) -> int:
        with self._file.begin() as look:
            return int(look.stat(self._persons)["entries"])

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    @property
    def size(self) -> int:
        """Bytes that the pages in use take."""
        info, stat = self._file.info(), self._file.stat()
        return int((info["last_pgno"] + 1) * stat["psize"])

    def get(self, key: bytes) -> Person:
        """A person; one of whom nothing is known is empty. Raises ``Terminal`` where the file cannot be read."""
        try:
            with self._file.begin() as look:
                record = look.get(key, db=self._persons)
                return self._unpacked(record, look) if record is not None else Person()
        except lmdb.Error as error:
            raise Terminal(f"the store of persons cannot be read: {error}") from error

    def put(self, key: bytes, person: Person) -> None:
        """Keep a person; on the disk when this returns."""
        with self._file.begin(write=True) as change:
            change.put(key, self._packed(person, change), db=self._persons)

    def absorb(self, persons: Mapping[bytes, Person], notes: Iterable[str]) -> None:
        """Keep persons and note where they came from (files of a log, say), both or neither.

        Raises ``Terminal`` where the file is full.
        """
        try:
            with self._file.begin(write=True) as change:
                for key in sorted(persons):
                    change.put(key, self._packed(persons[key], change), db=self._persons)
                for note in notes:
                    change.put(_digest(note), b"", db=self._notes)
        except lmdb.Error as error:
            self._known.clear()  # the numbers that were given are gone again
            raise Terminal(f"the store of persons cannot be written: {error}") from error

    def noted(self, note: str) -> bool:
        """Whether ``absorb`` was told of this."""
        with self._file.begin() as look:
            return look.get(_digest(note), db=self._notes) is not None

    def replace(self, keys: Iterable[bytes], person_of: Callable[[bytes], Person]) -> int:
        """Keep the persons of ``keys`` and no others; returns their number.

        Written in the order of the keys, some thousands at a time: memory stays small, pages of a new file are full,
        and those that are freed are used again. Whoever reads meanwhile gets each person old or new, never half.
        """
        ordered = sorted(set(keys))
        empty, before = not len(self), b""
        for start in range(0, len(ordered), _BATCH):
            part = ordered[start : start + _BATCH]
            with self._file.begin(write=True) as change:
                if not empty:
                    self._sweep(change, before, part[-1], set(part))
                for key in part:
                    change.put(key, self._packed(person_of(key), change), db=self._persons, append=empty)
            before = part[-1]
        if not empty:
            with self._file.begin(write=True) as change:
                self._sweep(change, before, b"\xff" * 16, {before})
        return len(ordered)

    def erase(self, key: bytes) -> bool:
        """Forget a person; whether there was one."""
        with self._file.begin(write=True) as change:
            return bool(change.delete(key, db=self._persons))

    def _sweep(self, change: lmdb.Transaction, after: bytes, until: bytes, kept: set[bytes]) -> None:
        """Forget the persons between two keys that are not to be kept."""
        with change.cursor(self._persons) as cursor:
            here = cursor.set_range(after)
            while here and bytes(cursor.key()) <= until:
                here = cursor.next() if bytes(cursor.key()) in kept else cursor.delete() and bool(cursor.key())

    def _packed(self, person: Person, change: lmdb.Transaction) -> bytes:
        mean = np.empty(0, np.float16) if person.mean is None else person.mean.astype(np.float16)
        head = _HEAD.pack(
            _VERSION, person.events, person.first, person.last, len(person.items), len(person.categories), len(mean)
        )
        items = np.array([self._number(item_id, change) for item_id in person.items], "<u4")
        interests = np.round(np.array(person.interests) * _STEP).astype(np.int8)
        names = np.array([self._number(f"category\0{name}", change) for name in person.categories], "<u4")
        leanings = np.array(list(person.categories.values()), np.float16)
        return b"".join(
            (head, items.tobytes(), interests.tobytes(), names.tobytes(), leanings.tobytes(), mean.tobytes())
        )

    def _unpacked(self, record: bytes, look: lmdb.Transaction) -> Person:
        version, events, first, last, items, categories, dims = _HEAD.unpack_from(record)
        if version != _VERSION:
            raise Terminal(f"the store of persons has records of version {version}, not {_VERSION}; write it anew")
        at = _HEAD.size
        numbers = np.frombuffer(record, "<u4", items, at)
        interests = np.frombuffer(record, np.int8, items, at := at + 4 * items)
        names = np.frombuffer(record, "<u4", categories, at := at + items)
        leanings = np.frombuffer(record, np.float16, categories, at := at + 4 * categories)
        mean = np.frombuffer(record, np.float16, dims, at + 2 * categories)
        called = [self._name(number, look).removeprefix("category\0") for number in names.tolist()]
        return Person(
            items=[self._name(number, look) for number in numbers.tolist()],
            interests=(interests / _STEP).tolist(),
            events=events,
            first=first,
            last=last,
            categories=dict(zip(called, leanings.astype(np.float64).tolist(), strict=True)),
            mean=mean.astype(np.float32) if dims else None,
        )

    def _number(self, name: str, change: lmdb.Transaction) -> int:
        """The number of an item or category: given once, never again to another one."""
        number = self._known.get(name)
        if number is None:
            key = name.encode() if len(name) < 400 else hashlib.sha256(name.encode()).digest()
            found = change.get(key, db=self._numbers)
            if found is None:
                found = struct.pack(">I", change.stat(self._numbers)["entries"])
                change.put(key, found, db=self._numbers)
                change.put(found, name.encode(), db=self._names, append=True)
            number = self._known[name] = int(struct.unpack(">I", found)[0])
        return number

    def _name(self, number: int, look: lmdb.Transaction) -> str:
        name = self._called.get(number)
        if name is None:
            found = look.get(struct.pack(">I", number), db=self._names)
            if found is None:
                raise Terminal(f"the store of persons names no item {number}; write it anew from the log")
            name = self._called[number] = bytes(found).decode()
        return name


def _digest(note: str) -> bytes:
    return hashlib.blake2b(note.encode(), digest_size=16).digest()
