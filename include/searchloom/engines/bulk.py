"""The bulk loop, the same for both engines: bounded requests, one outcome a write, patience with a busy engine.

The clients' own helpers are not used: with their defaults one busy item stops the load, and their back-off is without
jitter. Writes carry an external version (the document's ``seq``), so repeating any of them is harmless.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import stamina

from searchloom.engines.interface import Outcome, Write
from searchloom.engines.wire import TRANSIENT_STATUS, RequestTooLarge, error_reason
from searchloom.errors import ServiceNotFound, ServiceUnavailable, Transient

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class BulkLimits:
    """How much goes into one request, and how long a busy engine is waited for."""

    bytes: int = 5 * 1024 * 1024
    items: int = 500
    attempts: int = 12
    wait_initial_s: float = 0.2
    wait_max_s: float = 20.0
    timeout_s: float = 300.0

    def retries(self) -> Iterable[stamina.Attempt]:
        """Attempts with growing, jittered pauses, for as long as what goes wrong is transient."""
        return stamina.retry_context(
            on=Transient,
            attempts=self.attempts,
            timeout=self.timeout_s,
            wait_initial=self.wait_initial_s,
            wait_max=self.wait_max_s,
            wait_jitter=self.wait_initial_s,
        )


@dataclass(frozen=True, slots=True)
class _Line:
    write: Write
    body: bytes


Send = Callable[[bytes], Sequence[dict[str, Any]]]
"""Sends NDJSON to ``_bulk`` and returns the items of the answer: ``{"index" | "delete": {"status":, "error":}}``."""


def write_all(send: Send, writes: Iterable[Write], limits: BulkLimits) -> Iterator[Outcome]:
    """Write and delete, and yield one outcome a write, in any order.

    Raises ``ServiceUnavailable`` when the engine stays busy or away for longer than ``limits`` allow; what was
    yielded before that is done.
    """
    batch: list[_Line] = []
    size = 0
    for write in writes:
        try:
            line = _Line(write, _encoded(write))
        except ValueError as error:
            yield Outcome(write.chunk_id, "refused", f"it cannot be written as JSON: {error}")
            continue
        if batch and (size + len(line.body) > limits.bytes or len(batch) >= limits.items):
            yield from _write_batch(send, batch, limits)
            batch, size = [], 0
        batch.append(line)
        size += len(line.body)
    if batch:
        yield from _write_batch(send, batch, limits)


def _encoded(write: Write) -> bytes:
    head = {write.action: {"_id": write.chunk_id, "version": write.seq, "version_type": "external"}}
    body = json.dumps(head, separators=(",", ":")) + "\n"
    if write.action == "index":
        body += json.dumps(write.source, ensure_ascii=False, allow_nan=False, separators=(",", ":")) + "\n"
    return body.encode()


def _write_batch(send: Send, batch: list[_Line], limits: BulkLimits) -> list[Outcome]:
    """Send a batch until every write has its outcome."""
    outcomes: list[Outcome] = []
    pending = batch
    for attempt in limits.retries():
        with attempt:
            done, pending = _send_once(send, pending)
            outcomes += done
            if pending:
                raise ServiceUnavailable(
                    f"a busy engine turned {len(pending)} of {len(batch)} writes away {attempt.num} times; "
                    "run the load again when it has recovered, it goes on where it stopped"
                )
    return outcomes


def _send_once(send: Send, batch: list[_Line]) -> tuple[list[Outcome], list[_Line]]:
    """Send one request (in halves when it is too large); return what is settled and what must be tried again."""
    try:
        items = send(b"".join(line.body for line in batch))
    except RequestTooLarge as error:
        return _send_halves(send, batch, error)
    if len(items) != len(batch):
        raise ServiceUnavailable(f"the engine answered {len(items)} items to a bulk request of {len(batch)}")
    settled: list[Outcome] = []
    busy: list[_Line] = []
    for line, item in zip(batch, items, strict=True):
        result = next(iter(item.values()))
        if result["status"] in TRANSIENT_STATUS:
            busy.append(line)
        else:
            settled.append(_outcome(line.write, int(result["status"]), result.get("error")))
    if busy:
        log.info("The engine was too busy for %d of %d writes; they are sent again.", len(busy), len(batch))
    return settled, busy


def _send_halves(send: Send, batch: list[_Line], error: RequestTooLarge) -> tuple[list[Outcome], list[_Line]]:
    if len(batch) == 1:
        reason = f"{error}: the chunk is {len(batch[0].body)} bytes"
        return [Outcome(batch[0].write.chunk_id, "refused", reason)], []
    middle = len(batch) // 2
    settled: list[Outcome] = []
    pending: list[_Line] = []
    for half in (batch[:middle], batch[middle:]):
        try:
            done, busy = _send_once(send, half)
        except Transient:
            # The other half may be through already: its outcomes must not be lost with this one's trouble.
            done, busy = [], half
        settled += done
        pending += busy
    return settled, pending


def _outcome(write: Write, status: int, error: Any) -> Outcome:
    if status in {200, 201}:
        return Outcome(write.chunk_id, "deleted" if write.action == "delete" else "written")
    if status == 409 or (status == 404 and write.action == "delete" and error is None):
        return Outcome(write.chunk_id, "current")
    if status == 404:
        raise ServiceNotFound(
            f"the index went away during the load: {error_reason(error)}; create it again", code="404"
        )
    return Outcome(write.chunk_id, "refused", f"{status} {error_reason(error)}")
