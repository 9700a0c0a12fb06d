"""Which engine serves: breakers, hedging, a tenant's own choice; and how much is served at a time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from fastapi.testclient import TestClient

from searchloom.query import breaker
from searchloom.query.admission import Admission
from searchloom.query.breaker import Breaker
from searchloom.query.deadline import Deadline
from searchloom.query.limits import TooMany
from searchloom.settings import Engine, Query, Settings
from tests.query.collection import CORPUS
from tests.query.conftest import running, wait_for
from tests.query.tcp_proxy import TcpProxy, tcp_proxy
from tests.query.test_search import Bearer, names, search


@contextmanager
def behind_a_proxy(served: Settings, **fields: Any) -> Iterator[tuple[TestClient, TcpProxy]]:
    """The app with OpenSearch behind a proxy, and its own query settings."""
    with tcp_proxy(served.opensearch.url) as proxy:
        query = served.query.model_copy(update=fields)
        own = served.model_copy(update={"opensearch": Engine(url=proxy.url), "query": query})
        with running(own) as client:
            yield client, proxy


class Pinged:
    """What a circuit pings: answers when it is told to."""

    def __init__(self) -> None:
        self.alive = False
        self.pings = 0

    async def ping(self) -> bool:
        self.pings += 1
        return self.alive


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(breaker, "PING_EVERY_S", 0.01)


async def until(fulfilled: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not fulfilled():  # noqa: ASYNC110  there is no event for it
            await asyncio.sleep(0.005)


@pytest.mark.usefixtures("quick")
async def test_a_circuit_opens_after_failures_in_a_row_and_closes_after_a_search() -> None:
    engine = Pinged()
    circuit = Breaker("opensearch", engine.ping)
    for _ in range(breaker.THRESHOLD - 1):
        circuit.failed()
    circuit.served()
    for _ in range(breaker.THRESHOLD - 1):
        circuit.failed()
    assert circuit.state == "closed"
    assert circuit.last
    circuit.failed()
    assert circuit.state == "open"
    assert not circuit.allows()
    await until(lambda: engine.pings > 1)
    assert circuit.state == "open"
    engine.alive = True
    await until(lambda: circuit.state == "half-open")
    assert circuit.allows()
    circuit.asked()
    assert not circuit.allows()  # one search tries it, and no other
    circuit.served()
    assert circuit.state == "closed"
    assert circuit.allows()
    assert not circuit.last
    await circuit.close()


@pytest.mark.usefixtures("quick")
async def test_an_engine_that_fails_its_trial_is_left_alone_again() -> None:
    engine = Pinged()
    engine.alive = True
    circuit = Breaker("opensearch", engine.ping)
    for _ in range(breaker.THRESHOLD):
        circuit.failed()
    await until(lambda: circuit.state == "half-open")
    circuit.asked()
    engine.alive = False
    circuit.failed()
    assert circuit.state == "open"
    engine.alive = True
    await until(lambda: circuit.state == "half-open")
    circuit.asked()
    circuit.left()  # whoever asked went away: the next one may try
    assert circuit.allows()
    await circuit.close()


def test_a_hedged_search_does_not_wait_for_a_hanging_engine(served: Settings) -> None:
    with behind_a_proxy(served, hedge_ms=50, deadline_ms=8000) as (client, proxy):
        assert search(client, "merge two tables", engine="opensearch")["degraded"] == []
        proxy.hang()
        for mode in ("bm25", "vector", "hybrid"):
            started = time.monotonic()
            answer = search(client, "merge two tables", engine="opensearch", mode=mode)
            assert time.monotonic() - started < 3  # without the hedge: half of the deadline, and the passages again
            assert (answer["engine"], answer["degraded"]) == ("elasticsearch", ["opensearch"])
            assert names(answer)[0] == "merge"


def test_a_slow_embedding_is_no_fault_of_the_engines(served: Settings) -> None:
    with behind_a_proxy(served, hedge_ms=1, deadline_ms=8000) as (client, _):
        answers = [search(client, f"merge two tables {n}", engine="opensearch", mode="vector") for n in range(5)]
        assert {answer["corpus"] for answer in answers} == {CORPUS}


def test_an_engine_that_dies_under_load_fails_no_search(served: Settings) -> None:
    with behind_a_proxy(served, deadline_ms=4000) as (client, proxy):

        def one(number: int) -> tuple[int, float]:
            if number == 10:
                proxy.refuse()
            if number == 40:
                proxy.recover()
            started = time.monotonic()
            body = {"query": f"merge tables {number % 7}", "corpus": CORPUS, "engine": "opensearch"}
            return client.post("/v1/search", json=body).status_code, time.monotonic() - started

        with ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(one, range(60)))
        assert {status for status, _ in answers} == {200}
        wait_for(lambda: search(client, "merge", engine="opensearch")["engine"] == "opensearch", seconds=10)


def test_a_tenant_is_served_by_the_engine_of_its_choice(served: Settings, bearer: Bearer) -> None:
    own = served.query.model_copy(update={"engine": "opensearch", "tenant_engines": {"acme": "elasticsearch"}})
    with running(served.model_copy(update={"query": own})) as client:
        assert search(client, "table")["engine"] == "opensearch"
        theirs = search(client, "table", headers=bearer("acme"))
        assert (theirs["engine"], theirs["degraded"]) == ("elasticsearch", [])
        assert search(client, "table", headers=bearer("acme"), engine="opensearch")["engine"] == "opensearch"


async def test_a_full_queue_refuses_at_once_and_a_free_place_is_given_on() -> None:
    admission = Admission(Query(concurrency=1, queue=1))
    leave, order = asyncio.Event(), []

    async def one(name: str) -> None:
        async with admission.turn(Deadline.after(60)):
            order.append(name)
            await leave.wait()

    first, second = asyncio.create_task(one("first")), asyncio.create_task(one("second"))
    await until(lambda: order == ["first"])
    with pytest.raises(TooMany, match="1 are under way and 1 wait") as refused:
        await one("third")
    assert refused.value.retry_after_s >= 1
    assert not admission.idle
    leave.set()
    await asyncio.gather(first, second)
    assert order == ["first", "second"]
    assert admission.idle


async def test_nobody_waits_in_the_queue_for_more_than_half_of_the_time() -> None:
    admission = Admission(Query(concurrency=1, queue=5))
    async with admission.turn(Deadline.after(60)):
        with pytest.raises(TooMany):
            async with admission.turn(Deadline.after(0.05)):
                pytest.fail("there was no place")
        cancelled = asyncio.create_task(_wait(admission))
        await asyncio.sleep(0.01)
        cancelled.cancel()
        await asyncio.gather(cancelled, return_exceptions=True)
    async with admission.turn(Deadline.after(1)):
        assert not admission.idle
    assert admission.idle


async def _wait(admission: Admission) -> None:
    async with admission.turn(Deadline.after(60)):
        await asyncio.sleep(60)


def test_overload_is_answered_429_early_with_a_time_to_come_again(served: Settings) -> None:
    with behind_a_proxy(served, concurrency=1, queue=1, deadline_ms=3000) as (client, proxy):
        proxy.hang()

        def one(_: int) -> tuple[int, str, float]:
            started = time.monotonic()
            body = {"query": "merge", "corpus": CORPUS, "mode": "bm25", "engine": "opensearch"}
            response = client.post("/v1/search", json=body)
            return response.status_code, response.headers.get("retry-after", ""), time.monotonic() - started

        with ThreadPoolExecutor(6) as pool:
            answers = list(pool.map(one, range(6)))
        refused = sorted((took, after) for status, after, took in answers if status == 429)
        assert len(refused) >= 4  # one is served, one waits, and those who find the queue full do not
        assert all(after == "1" for _, after in refused)
        assert refused[3][0] < 1
        assert {status for status, _, _ in answers} == {200, 429}
