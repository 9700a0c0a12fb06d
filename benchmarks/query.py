"""Searches through the query module under open load, beside the same requests sent to the engine directly.

    .venv/bin/python -m benchmarks.query [--corpus NAME] [--rate 10] [--seconds 20] [--alone-rate 30] [--rerank]

When each search begins is drawn beforehand (Poisson arrivals, seeded), and its time is counted from then, not from when
a client got round to sending it: a service that stalls is charged for all who would have come meanwhile. Three kinds
take turns in one schedule, each at ``rate`` a second, so that they meet the same machine in the same minute:

- ``module``: the query module's answer over HTTP, with token, rights, fusion, page and passages;
- ``engine``: the very requests that the module sends to the engine for it, byte for byte, at once where it sends them
  at once;
- ``plain``: the one request of ten results that a client without the module would send: BM25 with passages, or k-NN.

Afterwards the module is asked alone, at ``alone-rate`` a second: what it bears, and whether anything fails.

The module's overhead is ``module`` less ``engine``, percentile by percentile. Answers are read whole, and parsed once
the clock has stopped. Query vectors are in the module's memory, as the engine's are in the recorded requests; what
embedding a new query takes is told apart. The queries are the corpus' judged ones. What is shown is not noted in the
event log: a benchmark's users are nobody.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import random
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import quantiles
from typing import Any, Literal, get_args

import aiohttp
from pydantic_core import from_json, to_json
from rich.console import Console
from rich.table import Table
from yarl import URL

from searchloom import schemas
from searchloom import settings as configuration
from searchloom.cloud.oss import Oss
from searchloom.engines.async_wire import HttpWire
from searchloom.engines.dialects import dialect
from searchloom.engines.interface import Access
from searchloom.engines.searcher import EngineSearcher
from searchloom.engines.wire import Read
from searchloom.errors import UsageError
from searchloom.query import tokens
from searchloom.query.auth import Caller
from searchloom.query.deadline import Deadline
from searchloom.query.model_services import ModelServices
from searchloom.query.personal import Impersonal
from searchloom.query.rerank import judge
from searchloom.query.retrieval import Retrieval
from searchloom.query.schemas import Mode, SearchRequest
from searchloom.query.search import SearchPipeline
from searchloom.query.understanding import understand
from searchloom.release.document import Release, current_key, release_key
from searchloom.settings import Settings

RESULTS = Path(__file__).parent / "results" / "query.json"
MIX: dict[Mode, int] = {"hybrid": 6, "bm25": 3, "vector": 1}
"""Searches of each mode in ten."""

OVERHEAD = (
    "module less engine, percentile by percentile; engine: the requests that the module sends for the same searches, "
    "byte for byte, in the same minute, at the same rate; answers read whole, parsed by neither client; vectors known"
)
K = 10
QUERIES = 60
SEED = 7
USERS = 50
ACCESS = Access("default")
_REMEMBERED_MS = 2.0  # faster than that a query's vector was known already
Kind = Literal["module", "engine", "plain"]
KINDS: tuple[Kind, ...] = get_args(Kind)


Request = tuple[str, bytes]
"""Path and body."""


@dataclass
class Recorder:
    """A wire that notes what it sends, in steps: what is sent while something else is under way is of its step."""

    wire: HttpWire
    steps: list[list[Request]] = field(default_factory=list)
    _under_way: int = 0

    async def call(
        self, method: str, path: str, body: dict[str, Any] | None = None, *, timeout_s: float, read: Read = from_json
    ) -> Any:
        """Note it, and send it."""
        if not self._under_way:
            self.steps.append([])
        self.steps[-1].append((path, to_json(body)))
        self._under_way += 1
        try:
            return await self.wire.call(method, path, body, timeout_s=timeout_s, read=read)
        finally:
            self._under_way -= 1

    async def close(self) -> None:
        """Let go of the connections."""
        await self.wire.close()


@dataclass(frozen=True)
class Recorded:
    """What one search is in bytes: requests to the engine in steps, those of one step at once."""

    query: str
    mode: Mode
    steps: Sequence[Sequence[Request]]
    plain: Request


async def record(settings: Settings, release: Release, queries: Sequence[str], *, rerank: bool) -> list[Recorded]:
    """Let the module's own pipeline answer every search here, and note what it sends to the engine."""
    name = settings.query.engine
    wire = Recorder(HttpWire(name, settings.engine(name)))
    engine, services, index = EngineSearcher(dialect(name), wire), ModelServices(settings), release.generation[name]
    retrieval = Retrieval({name: engine}, services, settings.query)
    pipeline = SearchPipeline(retrieval, judge(settings, services) if rerank else None, Impersonal(), settings.query)
    alone = release.model_copy(update={"generation": {name: index}})
    recorded = []
    for query, mode in itertools.product(queries, MIX):
        request = SearchRequest(query=query, corpus=release.corpus, mode=mode, k=K, rerank=rerank)
        for _ in range(2):  # the second time its vector is known, as it is when the module is asked
            wire.steps.clear()
            await pipeline.search(request, alone, Caller("bench", ACCESS), Deadline.after(30))
        steps = tuple(wire.steps)
        wire.steps.clear()
        plain = understand(query).plain
        if mode == "vector":
            vector = await services.embed(plain, release.embedding, Deadline.after(30))
            await engine.vector(index, vector, ACCESS, size=K, timeout_s=30)
        else:
            await engine.bm25(index, plain, ACCESS, size=K, timeout_s=30)
        recorded.append(Recorded(query, mode, steps, wire.steps[0][0]))
    for part in (pipeline, retrieval, engine, services):
        await part.close()
    return recorded


class Load:
    """The three ways to search, over connections of their own."""

    def __init__(self, settings: Settings, corpus: str, session: aiohttp.ClientSession, *, rerank: bool) -> None:
        self._session = session
        self._engine = settings.engine(settings.query.engine)
        self._headers = {"Content-Type": "application/json"}
        if self._engine.username:
            login = (self._engine.username, self._engine.password.get_secret_value())
            self._headers["Authorization"] = aiohttp.encode_basic_auth(*login)
        self._url = settings.query.url + "/v1/search"
        self._fixed = {"corpus": corpus, "k": K, "engine": settings.query.engine, "rerank": rerank, "record": False}
        signed = [tokens.sign(settings, user=f"bench-{n}") for n in range(USERS)]
        self._users = itertools.cycle([{"Authorization": f"Bearer {one}"} for one in signed])
        self.outcomes: Counter[str] = Counter()

    async def module(self, search: Recorded, **fields: Any) -> bytes:
        """Through the query module."""
        body = to_json({"query": search.query, "mode": search.mode, **self._fixed, **fields})
        headers = {"Content-Type": "application/json", **next(self._users)}
        async with self._session.post(self._url, data=body, headers=headers) as response:
            self.outcomes[str(response.status)] += 1
            return await response.read()

    async def engine(self, search: Recorded) -> None:
        """The module's own requests, without the module."""
        for step in search.steps:
            await asyncio.gather(*(self._post(*request) for request in step))

    async def plain(self, search: Recorded) -> None:
        """One request by hand."""
        await self._post(*search.plain)

    def look_at(self, answer: bytes | None) -> None:
        """Count what the module had to leave out."""
        if answer:
            self.outcomes.update(f"degraded {part}" for part in from_json(answer).get("degraded", ()))

    async def _post(self, path: str, body: bytes) -> None:
        url = URL(self._engine.url + path, encoded=True)
        async with self._session.post(url, data=body, headers=self._headers) as response:
            await response.read()
            response.raise_for_status()


async def warm_up(load: Load, searches: Sequence[Recorded]) -> list[float]:
    """Send every search once each way; return how long the module took to embed those that it did not know, in ms."""
    took = []
    for search in searches:
        answer = from_json(await load.module(search, explain=True))
        if "results" not in answer:
            raise UsageError(f"the query module refuses a search: {answer}")
        took.append(answer["timings"].get("embed", 0.0))
        await load.engine(search)
        await load.plain(search)
    return [ms for ms in took if ms > _REMEMBERED_MS]


Times = Mapping[tuple[Kind, Mode], Sequence[float]]
"""Milliseconds of every search, by kind and mode."""


async def open_loop(
    load: Load, searches: Sequence[Recorded], kinds: Sequence[Kind], *, rate: float, seconds: float
) -> tuple[Times, float]:
    """Send these kinds by their schedule; return how long each search took, and the wall time in s."""
    load.outcomes.clear()
    draw = random.Random(SEED)
    by_mode = {mode: [one for one in searches if one.mode == mode] for mode in MIX}
    modes = draw.choices(list(MIX), list(MIX.values()), k=round(rate * seconds))
    drawn = [draw.choice(by_mode[mode]) for mode in modes]
    schedule: list[tuple[float, Kind, Recorded]] = []
    for kind in kinds:  # the same searches, each kind at moments of its own
        moments = itertools.accumulate(draw.expovariate(rate) for _ in drawn)
        schedule += [(at, kind, search) for at, search in zip(moments, drawn, strict=True)]
    took: dict[tuple[Kind, Mode], list[float]] = defaultdict(list)
    started = time.perf_counter() + 0.1

    async def one(at: float, kind: Kind, search: Recorded) -> None:
        send: Callable[[Recorded], Awaitable[bytes | None]] = getattr(load, kind)
        await asyncio.sleep(started + at - time.perf_counter())
        try:
            answer = await send(search)
        except (aiohttp.ClientError, TimeoutError) as error:
            load.outcomes[f"{kind}: {type(error).__name__}"] += 1
        else:
            took[kind, search.mode].append((time.perf_counter() - started - at) * 1000)
            load.look_at(answer)

    await asyncio.gather(*(one(*entry) for entry in schedule))
    return took, time.perf_counter() - started


def spread(values: Sequence[float]) -> dict[str, float]:
    """p50, p95 and p99 in ms, and how many there were."""
    if len(values) < 2:
        return {"n": len(values)}
    cut = quantiles(values, n=100, method="inclusive")
    return {"n": len(values), "p50": round(cut[49], 2), "p95": round(cut[94], 2), "p99": round(cut[98], 2)}


async def measure(settings: Settings, given: argparse.Namespace) -> dict[str, Any]:
    """Run it all."""
    oss = Oss(settings.oss)
    number = oss.get_json(current_key(given.corpus))["release"]
    release = Release.model_validate_json(oss.get(release_key(given.corpus, number)))
    judged = schemas.read_table(oss, schemas.judgments_key(given.corpus, "test"), schemas.JUDGMENTS, ["query"])
    queries = sorted(set(judged["query"].to_pylist()))[:QUERIES]
    searches = await record(settings, release, queries, rerank=given.rerank)
    connector, timeout = aiohttp.TCPConnector(limit=0), aiohttp.ClientTimeout(total=30)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
        load = Load(settings, given.corpus, session, rerank=given.rerank)
        embedding = await warm_up(load, searches)
        times, wall = await open_loop(load, searches, KINDS, rate=given.rate, seconds=given.seconds)
        outcomes = dict(load.outcomes)
        alone, alone_wall = await open_loop(load, searches, ["module"], rate=given.alone_rate, seconds=given.seconds)
    figures = {kind: spread(of_kind(times, kind)) for kind in KINDS}
    return {
        "corpus": given.corpus,
        "release": number,
        "served_by": settings.query.engine,
        "rerank": given.rerank,
        "rate_per_s": given.rate,
        "seconds": round(wall, 1),
        "outcomes": outcomes,
        **figures,
        "overhead": OVERHEAD,
        "overhead_ms": {p: round(figures["module"][p] - figures["engine"][p], 2) for p in ("p50", "p95", "p99")},
        "by_mode": {mode: {kind: spread(times[kind, mode]) for kind in KINDS} for mode in MIX},
        "embedding_a_new_query_ms": spread(embedding),
        "alone": {
            **spread(of_kind(alone, "module")),
            "rate_per_s": given.alone_rate,
            "served_per_s": round(len(of_kind(alone, "module")) / alone_wall, 1),
            "outcomes": dict(load.outcomes),
        },
    }


def of_kind(times: Times, kind: Kind) -> list[float]:
    """Return the times of one kind in all modes."""
    return [ms for (one, _), found in times.items() if one == kind for ms in found]


def show(result: dict[str, Any]) -> None:
    """Print the figures as a table."""
    table = Table(title=f"{result['corpus']} on {result['served_by']}, {result['rate_per_s']}/s of each kind")
    table.add_column("")
    for column in ("searches", "p50 ms", "p95 ms", "p99 ms"):
        table.add_column(column, justify="right")
    rows = [(kind, result[kind]) for kind in KINDS]
    rows += [(f"{mode}: {kind}", found) for mode, kinds in result["by_mode"].items() for kind, found in kinds.items()]
    rows.append(("overhead (module - engine)", result["overhead_ms"]))
    rows.append((f"module alone, {result['alone']['rate_per_s']}/s", result["alone"]))
    for name, found in rows:
        table.add_row(name, *(str(found.get(key, "")) for key in ("n", "p50", "p95", "p99")))
    console = Console()
    console.print(table)
    console.print(f"overhead: {result['overhead']}")
    console.print(f"beside the engine: {result['outcomes']}; alone: {result['alone']['outcomes']}")


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--corpus", default="default")
    parser.add_argument("--rate", type=float, default=10.0, help="searches a second, of each kind")
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--alone-rate", type=float, default=30.0, help="searches a second of the module alone")
    parser.add_argument("--rerank", action="store_true", help="with the release's reranker")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args(arguments)
    settings = configuration.load()
    result = asyncio.run(measure(settings, given))
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    if given.json:
        print(json.dumps(result, indent=1))
    else:
        show(result)


if __name__ == "__main__":
    sys.exit(main())
