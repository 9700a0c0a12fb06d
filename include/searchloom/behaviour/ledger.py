"""What AIRec holds already, as far as it has said so: the truth that the next sync starts from.

``airec/{instance}/{corpus}/STATE.json``, ``users.parquet``, and for each day of the event log
``sent/dt=YYYY-MM-DD/files.parquet`` and ``events.parquet``. Another instance begins with nothing, so that it gets all.
Of events only hashes of their identities are kept; a person's name is in ``users.parquet`` until he is erased.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from searchloom import schemas
from searchloom.cloud.oss import Oss
from searchloom.errors import ServiceNotFound

USERS = pa.schema(
    [
        pa.field("person", pa.string(), nullable=False),  # personalization.store.key_of, hexadecimal
        pa.field("user_id", pa.string(), nullable=False),  # as AIRec knows it
        pa.field("first", pa.int64(), nullable=False),  # seconds since 1970
        pa.field("last", pa.int64(), nullable=False),
    ]
)

_FILES = pa.schema([pa.field("name", pa.string(), nullable=False), pa.field("etag", pa.string(), nullable=False)])
_EVENTS = pa.schema([pa.field("id", pa.int64(), nullable=False)])


@dataclass(frozen=True, slots=True)
class User:
    """A person as AIRec has been told; ``first`` and ``last`` in seconds since 1970."""

    person: str
    user_id: str
    first: int
    last: int


@dataclass(slots=True)
class State:
    """How far a corpus is in AIRec.

    ``seq``: the last commit of the manifest whose documents are there. ``embedding``: the model whose vectors their
    features are made of. ``again``: documents of earlier commits that are to be sent again, as their vectors were
    missing. ``waiting``: people whom AIRec has not been told of, though their behaviour may be there. ``open``: the
    plan that is not yet done with.
    """

    seq: int = 0
    embedding: str = ""
    again: list[str] = field(default_factory=list)
    waiting: list[User] = field(default_factory=list)
    open: str = ""


def identity(event: Mapping[str, Any]) -> int:
    """What an event is known by, wherever and however often it comes: who sent it, under which ``event_id``."""
    said = f"{event.get('tenant') or 'default'}\0{event.get('user_id')}\0{event.get('event_id')}"
    return int.from_bytes(hashlib.blake2b(said.encode(), digest_size=8).digest(), signed=True)


class Ledger:
    """Reads and writes what is known; one writer at a time, under the lease ``lease_key``."""

    def __init__(self, oss: Oss, instance: str, corpus: str) -> None:
        self._oss = oss
        self._base = f"airec/{instance}/{corpus}/"

    @property
    def lease_key(self) -> str:
        """Key of the object that keeps writers apart."""
        return f"{self._base}LEASE"

    def state(self) -> State:
        """The state; that of a beginner where nothing was ever sent."""
        try:
            known = self._oss.get_json(f"{self._base}STATE.json")
        except ServiceNotFound:
            return State()
        known["waiting"] = [User(**one) for one in known["waiting"]]
        return State(**known)

    def save(self, state: State) -> None:
        """Write the state."""
        self._oss.put_json(f"{self._base}STATE.json", asdict(state))

    def users(self) -> dict[str, User]:
        """The users that AIRec holds, by person."""
        return {row["person"]: User(**row) for row in self._read("users.parquet", USERS).to_pylist()}

    def save_users(self, users: Iterable[User]) -> None:
        """Write the users that AIRec holds."""
        rows = [asdict(user) for user in users]
        schemas.write_table(self._oss, f"{self._base}users.parquet", pa.Table.from_pylist(rows, schema=USERS), USERS)

    def files(self, day: str) -> dict[str, str]:
        """Name -> ETag of the files of a day whose events were dealt with."""
        table = self._read(f"sent/dt={day}/files.parquet", _FILES)
        return dict(zip(table["name"].to_pylist(), table["etag"].to_pylist(), strict=True))

    def add_files(self, day: str, files: Mapping[str, str]) -> None:
        """Note files of a day, in place of what they were before."""
        known = {**self.files(day), **files}
        table = pa.table({"name": list(known), "etag": list(known.values())}, schema=_FILES)
        schemas.write_table(self._oss, f"{self._base}sent/dt={day}/files.parquet", table, _FILES)

    def sent(self, *, since: str) -> NDArray[np.int64]:
        """The identities of all events since a day (``YYYY-MM-DD``; empty: ever) that AIRec has taken, sorted."""
        first = f"{self._base}sent/dt={since}"
        listed = (info.key for info in self._oss.list(f"{self._base}sent/"))
        keys = [key for key in listed if key.endswith("/events.parquet") and key >= first]
        tables = [schemas.read_table(self._oss, key, _EVENTS) for key in keys]
        found: NDArray[np.int64] = pa.concat_tables([_EVENTS.empty_table(), *tables])["id"].to_numpy()
        return np.sort(found)

    def add_sent(self, day: str, ids: Iterable[int]) -> None:
        """Note that AIRec has taken events of a day."""
        name = f"sent/dt={day}/events.parquet"
        added = pa.table({"id": pa.array(list(ids), pa.int64())}, schema=_EVENTS)
        whole = pc.unique(pa.concat_tables([self._read(name, _EVENTS), added])["id"])
        schemas.write_table(self._oss, f"{self._base}{name}", pa.table({"id": whole}, schema=_EVENTS), _EVENTS)

    def _read(self, name: str, schema: pa.Schema) -> pa.Table:
        try:
            return schemas.read_table(self._oss, f"{self._base}{name}", schema)
        except ServiceNotFound:
            return schema.empty_table()


def among(ids: NDArray[np.int64], known: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which ids are in the sorted array ``known``."""
    if not len(known):
        return np.zeros(len(ids), np.bool_)
    places = np.minimum(np.searchsorted(known, ids), len(known) - 1)
    return np.asarray(known[places] == ids)
