"""Waits for objects of OSS."""

from __future__ import annotations

from itertools import islice
from typing import Any

from alibaba_ai.hooks.oss import OssHook
from alibaba_ai.triggers.polling import End, PollingTrigger
from searchloom.cloud.oss import Oss


class OssObjectsTrigger(PollingTrigger[Oss, int]):
    """Wait until enough objects are there; the event's result is the key or prefix.

    :param key: key of an object, or the prefix of several
    :param prefix: whether ``key`` is a prefix
    :param at_least: so many objects below the prefix are enough
    """

    def __init__(self, *, key: str, prefix: bool = False, at_least: int = 1, **common: Any) -> None:
        super().__init__(**common)
        self.key = key
        self.prefix = prefix
        self.at_least = at_least

    def arguments(self) -> dict[str, Any]:
        """Return what is waited for."""
        return {"key": self.key, "prefix": self.prefix, "at_least": self.at_least}

    def subject(self) -> str:
        """Name what is waited for."""
        return f"objects below {self.key!r}" if self.prefix else f"object {self.key!r}"

    def connect(self) -> Oss:
        """Make the client."""
        return OssHook(self.conn_id).get_conn()

    def look(self, client: Oss) -> int:
        """Count the objects, no further than is needed."""
        if self.prefix:
            return sum(1 for _ in islice(client.list(self.key), self.at_least))
        return int(client.exists(self.key))

    def sentence(self, state: int) -> str:
        """Say how many are there."""
        return f"{state} of {self.at_least} of the {self.subject()} are there." if self.prefix else ""

    def end(self, state: int) -> End | None:
        """Return that they are there."""
        if state < self.at_least:
            return None
        found = f"{state} {self.subject()} are there" if self.prefix else f"{self.subject()} is there"
        return End("success", found, self.key)
