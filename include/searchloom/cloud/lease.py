"""One writer at a time: a lease object in the bucket that only one of several can create, and that expires.

The lease keeps writers apart; it is not what makes a commit safe by itself. A holder that was stopped for longer than
the lease lasts finds out through ``check``, right before the one write that counts.
"""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from searchloom.cloud.oss import Oss
from searchloom.errors import ServiceConflict, ServiceNotFound, Transient

log = logging.getLogger(__name__)

LEASE_S = 180.0
MARGIN_S = 75.0  # the time that one write with its retries may take; with less left the lease is renewed first
WAIT_S = 300.0
_POLL_S = 0.5
_SETTLE_S = 0.3  # after taking over an expired lease: time for a rival's take-over to show


class LeaseHeld(Transient):
    """Somebody else is committing; trying again later is right."""


class LeaseLost(Transient):
    """The lease expired while its holder was busy or stopped, and somebody else took it; start the commit again."""


@dataclass(slots=True)
class Lease:
    """A lease that is held: ``check`` it before the write that counts."""

    oss: Oss
    key: str
    owner: str
    nonce: str
    expires: datetime
    length_s: float = LEASE_S

    def check(self) -> None:
        """Make sure that the lease is ours for long enough to write one object; raises ``LeaseLost``."""
        found = _read(self.oss, self.key)
        if found is None or found["nonce"] != self.nonce:
            raise LeaseLost(f"the lease {self.key} was taken over from {self.owner!r}; try again")
        if (self.expires - datetime.now(UTC)).total_seconds() < MARGIN_S:
            self._write(forbid_overwrite=False)

    def release(self) -> None:
        """Give the lease back, if it is still ours."""
        found = _read(self.oss, self.key)
        if found is not None and found["nonce"] == self.nonce:
            self.oss.delete(self.key)

    def _write(self, *, forbid_overwrite: bool) -> None:
        self.expires = datetime.now(UTC) + timedelta(seconds=self.length_s)
        body = {"owner": self.owner, "nonce": self.nonce, "expires": self.expires.isoformat()}
        self.oss.put_json(self.key, body, forbid_overwrite=forbid_overwrite)


@contextmanager
def hold(oss: Oss, key: str, owner: str, *, wait_s: float = WAIT_S, length_s: float = LEASE_S) -> Iterator[Lease]:
    """Hold the lease while the block runs; an owner takes its own lease of an earlier attempt at once.

    A holder that dies keeps others out for up to ``length_s`` seconds.

    Raises ``LeaseHeld`` when another owner still has it after ``wait_s`` seconds.
    """
    deadline = time.monotonic() + wait_s
    lease = Lease(oss, key, owner, uuid.uuid4().hex, datetime.now(UTC), length_s)
    while not _acquire(lease):
        if time.monotonic() > deadline:
            found = _read(oss, key) or {}
            raise LeaseHeld(
                f"{found.get('owner', 'somebody')!r} has held {key} until {found.get('expires', 'just now')}; "
                "wait for that to end, then try again"
            )
        time.sleep(_POLL_S)
    try:
        yield lease
    finally:
        lease.release()


def _acquire(lease: Lease) -> bool:
    try:
        lease._write(forbid_overwrite=True)  # noqa: SLF001  the lease is not yet anyone else's
    except ServiceConflict:
        found = _read(lease.oss, lease.key)
        if found is None:
            return False
        if found["nonce"] == lease.nonce:  # our own write, whose answer was lost and which was then repeated
            return True
        expired = datetime.fromisoformat(found["expires"]) < datetime.now(UTC)
        if not expired and found["owner"] != lease.owner:
            return False
        log.info("taking over the lease %s of %r", lease.key, found["owner"])
        lease._write(forbid_overwrite=False)  # noqa: SLF001
        time.sleep(_SETTLE_S)
        found = _read(lease.oss, lease.key)
        return found is not None and found["nonce"] == lease.nonce
    return True


def _read(oss: Oss, key: str) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = oss.get_json(key)
    except ServiceNotFound:
        return None
    return found
