"""What a process has just heard of persons, and the key under which a person is known; imports nothing heavy."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from typing import NamedTuple

STATE_FOLDER = "personal"
"""Below ``settings.state``: a folder for each corpus, in it one for each version with the model and the persons."""
AHEAD_S = 300.0
"""How far a sender's clock may be ahead: what is stamped so long after an erasure may have been done before it."""
MAX_HEARD = 20_000
MAX_HEARD_OF_ONE = 100


def key_of(user_id: str, tenant: str = "default") -> bytes:
    """The key of a person: twelve bytes of a hash."""
    return hashlib.blake2b(f"{tenant}\0{user_id}".encode(), digest_size=12).digest()


class Heard(NamedTuple):
    """What somebody has just done."""

    item_id: str
    type: str
    time: float
    value: float | None


class Recently:
    """What this process heard of each person lately; safe to use from several threads, bounded."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._heard: OrderedDict[bytes, list[Heard]] = OrderedDict()

    def add(self, key: bytes, heard: Heard) -> None:
        """Remember it; whoever was heard of longest ago is forgotten first."""
        with self._lock:
            mine = self._heard.setdefault(key, [])
            mine.append(heard)
            del mine[:-MAX_HEARD_OF_ONE]
            self._heard.move_to_end(key)
            if len(self._heard) > MAX_HEARD:
                self._heard.popitem(last=False)

    def of(self, key: bytes) -> list[Heard]:
        """What is remembered of a person, oldest first."""
        with self._lock:
            return list(self._heard.get(key, ()))

    def forget(self, key: bytes, until: float) -> None:
        """Forget what a person did until a moment."""
        with self._lock:
            later = [one for one in self._heard.pop(key, ()) if one.time > until]
            if later:
                self._heard[key] = later
