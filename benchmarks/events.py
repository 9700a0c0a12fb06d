"""Events at a steady rate: how many are accepted, how fast, and whether each is in the log once.

    .venv/bin/python -m benchmarks.events [--rate 2000] [--seconds 20] [--batch 100] [--json]

Batches are sent on time, whether or not those before them were answered (open load). One that was not answered is sent
again, as a page does: kill the query service meanwhile (``kill -9``, then ``searchloom up``) and every event must still
be in the log, and count once. They are of a corpus that does not exist, so that they teach nobody anything.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import stamina

from searchloom import settings as configuration
from searchloom.cloud.oss import Oss
from searchloom.personalization import logged
from searchloom.query import tokens

RESULTS = Path(__file__).parent / "results" / "events.json"
CORPUS = "benchmark-of-events"
SENDERS = 20  # people, each within the limits of one
PATIENCE_S = 120.0


@dataclass
class Sent:
    """What came of it."""

    accepted: list[str] = field(default_factory=list)
    answers: Counter[str] = field(default_factory=Counter)
    took_ms: list[float] = field(default_factory=list)


def main() -> int:
    """Send, wait for the log, count."""
    options = _options()
    settings = configuration.load()
    people = [tokens.sign(settings, user=f"sender-{number}") for number in range(SENDERS)]
    started = time.perf_counter()
    sent = asyncio.run(send(settings.query.url, people, options))
    lasted = time.perf_counter() - started
    found = in_log(Oss(settings.oss), set(sent.accepted))
    report = {
        "asked_per_s": options.rate,
        "accepted": len(sent.accepted),
        "accepted_per_s": round(len(sent.accepted) / lasted),
        "answers": dict(sent.answers),
        "batch": options.batch,
        "answer_ms": dict(zip(("p50", "p99"), np.percentile(sent.took_ms, [50, 99]).round(1).tolist(), strict=True)),
        "lost": len(set(sent.accepted) - found.keys()),
        "counted_twice": sum(count > 1 for count in found.values()),
    }
    RESULTS.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    if options.json:
        sys.stdout.write(json.dumps(report) + "\n")
    else:
        sys.stdout.write("".join(f"{name:16}{value}\n" for name, value in report.items()))
    return 1 if report["lost"] or report["counted_twice"] else 0


async def send(url: str, people: Sequence[str], options: argparse.Namespace) -> Sent:
    """Send a batch whenever its time has come, each person in turn."""
    sent, every_s = Sent(), options.batch / options.rate
    started = time.perf_counter()
    limits = httpx.Limits(max_connections=200)
    async with (
        httpx.AsyncClient(base_url=url, timeout=10, trust_env=False, limits=limits) as client,
        asyncio.TaskGroup() as group,
    ):
        for number in range(int(options.seconds / every_s)):
            due = started + number * every_s
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            group.create_task(_batch(client, people[number % len(people)], options.batch, due, sent))
    return sent


async def _batch(client: httpx.AsyncClient, token: str, size: int, due: float, sent: Sent) -> None:
    now = datetime.now(UTC).isoformat()
    events = [
        {"event_id": str(uuid.uuid4()), "type": "click", "item_id": f"item-{one}", "corpus": CORPUS, "time": now}
        for one in range(size)
    ]
    headers = {"Authorization": f"Bearer {token}"}
    async for attempt in stamina.retry_context(on=httpx.HTTPError, attempts=None, timeout=PATIENCE_S):
        with attempt:
            answer = await client.post("/v1/events", json={"events": events}, headers=headers)
            sent.answers[str(answer.status_code)] += 1
            if answer.is_client_error and answer.status_code != httpx.codes.TOO_MANY_REQUESTS:
                return
            answer.raise_for_status()
    sent.took_ms.append((time.perf_counter() - due) * 1000)
    sent.accepted += [str(one["event_id"]) for one in events]


def in_log(oss: Oss, wanted: set[str]) -> Counter[str]:
    """Wait until the log holds what was accepted; return how often each event counts."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        keys = [info.key for files in logged.files(oss, days=2).values() for info in files]
        rows = logged.rows(oss, keys, corpus=CORPUS, marks={}, known=logged.Known())
        found = Counter(str(row["event_id"]) for row in rows if row["event_id"] in wanted)
        if wanted <= found.keys() or time.monotonic() > deadline:
            return found
        time.sleep(2)


def _options() -> Any:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=float, default=2000, help="events a second")
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--batch", type=int, default=100, help="events of a request")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
