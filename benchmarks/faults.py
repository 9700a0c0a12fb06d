"""Searches under open load while parts of the local stack are killed, or stand still for ten seconds.

    .venv/bin/python -m benchmarks.faults [--corpus default] [--rate 15] [--json]

In each phase one thing happens after three seconds. A search may never fail and has to be there within its deadline
(``query.deadline_ms``); what was left out stands in ``degraded``. With both engines dead the answer is 503, at once;
afterwards they are started again, and the query service must find them by itself. Nothing else is restarted, and what
stood still goes on at the end, whatever happens.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil
from rich.console import Console
from rich.table import Table

from searchloom import settings as configuration
from searchloom.cloud.oss import Oss
from searchloom.evaluation import collection
from searchloom.query import tokens
from searchloom.settings import ENGINES, Settings
from searchloom.stack import lifecycle
from searchloom.stack.process import Keeper

RESULTS = Path(__file__).parent / "results" / "faults.json"
BEFORE_S, STILL_S, AFTER_S = 3.0, 10.0, 7.0


@dataclass
class Phase:
    """What happened, and what came of the searches meanwhile."""

    name: str
    fails: bool = False  # whether searches may fail: nothing is left to search
    status: Counter[int] = field(default_factory=Counter)
    degraded: Counter[str] = field(default_factory=Counter)
    took_ms: list[float] = field(default_factory=list)
    refused_ms: list[float] = field(default_factory=list)

    def facts(self, deadline_ms: int) -> dict[str, Any]:
        """JSON-able."""
        sent = sum(self.status.values())
        late = sum(took > deadline_ms for took in self.took_ms)
        shown = {f"p{one}": round(float(np.percentile(self.took_ms, one)), 1) for one in (50, 99, 100) if self.took_ms}
        facts = {"searches": sent, "failed": sent - self.status[200], "late": late, "ms": shown}
        if self.refused_ms:
            facts["refused_ms"] = {f"p{one}": round(float(np.percentile(self.refused_ms, one)), 1) for one in (50, 99)}
        return facts | {"status": dict(self.status), "degraded": dict(self.degraded)}


class Stack:
    """The parts of the local stack, as a fault finds them."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._keeper = Keeper(settings.state)

    def kill(self, *names: str) -> None:
        """Kill parts, as the kernel does when memory runs out."""
        for name in names:
            self._signal(name, signal.SIGKILL)

    async def up(self) -> None:
        """Start what is dead."""
        await asyncio.to_thread(lifecycle.up, self._settings, say=lambda _name, _what: None)

    @contextmanager
    def still(self, name: str) -> Iterator[None]:
        """Let a part stand still: it takes connections, and answers nobody."""
        self._signal(name, signal.SIGSTOP)
        try:
            yield
        finally:
            self._signal(name, signal.SIGCONT)

    def _signal(self, name: str, number: signal.Signals) -> None:
        for process in self._keeper.members(name):
            try:
                process.send_signal(number)
            except psutil.NoSuchProcess:
                continue


class Load:
    """Searches at a steady rate, whether or not those before them were answered."""

    def __init__(self, client: httpx.AsyncClient, queries: Sequence[str], corpus: str, rate: float) -> None:
        self._client = client
        self._queries = queries
        self._corpus = corpus
        self._rate = rate
        self._sent = 0

    async def last(self, phase: Phase, seconds: float) -> None:
        """Search for so long, and wait for the last answer."""
        async with asyncio.TaskGroup() as group:
            for _ in range(int(seconds * self._rate)):
                group.create_task(self._search(phase))
                await asyncio.sleep(1 / self._rate)

    async def _search(self, phase: Phase) -> None:
        self._sent += 1
        # the number makes it a text that has no vector yet
        query = f"{self._queries[self._sent % len(self._queries)]} {self._sent}"
        started = time.perf_counter()
        answer = await self._client.post("/v1/search", json={"query": query, "corpus": self._corpus, "record": False})
        took = (time.perf_counter() - started) * 1000
        phase.status[answer.status_code] += 1
        if answer.is_success:
            phase.took_ms.append(took)
            phase.degraded[",".join(sorted(answer.json()["degraded"]))] += 1
        else:
            phase.refused_ms.append(took)


async def phases_of(load: Load, stack: Stack) -> AsyncIterator[Phase]:
    """Let one thing after the other happen; what was killed is up again before the next."""
    yield (phase := Phase("nothing"))
    await load.last(phase, BEFORE_S + AFTER_S)
    for name in (*ENGINES, "embedding", "localcloud"):
        yield (phase := Phase(f"{name} stands still for {STILL_S:.0f} s"))
        await load.last(phase, BEFORE_S)
        with stack.still(name):
            await load.last(phase, STILL_S)
        await load.last(phase, AFTER_S)
    for name in ENGINES:
        yield (phase := Phase(f"{name} killed"))
        await load.last(phase, BEFORE_S)
        stack.kill(name)
        await load.last(phase, AFTER_S)
        await stack.up()
    yield (phase := Phase("both engines killed", fails=True))
    stack.kill(*ENGINES)
    await load.last(phase, AFTER_S)
    await stack.up()
    yield (phase := Phase("both engines are back"))
    await load.last(phase, AFTER_S)


async def run(settings: Settings, queries: Sequence[str], options: argparse.Namespace) -> list[Phase]:
    """Go through all phases."""
    headers = {"Authorization": f"Bearer {tokens.sign(settings, user='benchmark-of-faults')}"}
    limits = httpx.Limits(max_connections=500)
    async with httpx.AsyncClient(base_url=settings.query.url, headers=headers, timeout=30, limits=limits) as client:
        load = Load(client, queries, options.corpus, options.rate)
        return [phase async for phase in phases_of(load, Stack(settings))]


def main() -> int:
    """Let things happen, print what came of it."""
    options = _options()
    settings = configuration.load()
    queries = list(collection.read(Oss(settings.oss), options.corpus, "test").queries.values())
    phases = asyncio.run(run(settings, queries, options))
    report = {"rate_per_s": options.rate, "deadline_ms": settings.query.deadline_ms} | {
        phase.name: phase.facts(settings.query.deadline_ms) for phase in phases
    }
    RESULTS.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    if options.json:
        sys.stdout.write(json.dumps(report) + "\n")
    else:
        _show(phases, settings.query.deadline_ms)
    return 1 if any(not phase.fails and phase.status.keys() - {200} for phase in phases) else 0


def _show(phases: Sequence[Phase], deadline_ms: int) -> None:
    table = Table(title=f"searches, deadline {deadline_ms} ms")
    for heading in (
        "what happened",
        "searches",
        "failed",
        "late",
        "ms p50, p99, max",
        "503 after ms p50, p99",
        "left out",
    ):
        table.add_column(heading)
    for phase in phases:
        facts = phase.facts(deadline_ms)
        left = "; ".join(f"{name or 'nothing'} {count}" for name, count in facts["degraded"].items())
        ms, refused = (", ".join(map(str, facts.get(name, {}).values())) for name in ("ms", "refused_ms"))
        table.add_row(phase.name, *(str(facts[one]) for one in ("searches", "failed", "late")), ms, refused, left)
    Console(width=180).print(table)


def _options() -> Any:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", default="default")
    parser.add_argument("--rate", type=float, default=15, help="searches a second")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
