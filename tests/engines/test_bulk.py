"""The bulk loop between the real clients and the real engines, with a proxy in between that misbehaves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from searchloom.engines.bulk import BulkLimits
from searchloom.engines.connect import wire
from searchloom.engines.dialects import dialect
from searchloom.engines.interface import Loader, Write
from searchloom.engines.loader import EngineLoader
from searchloom.errors import ServiceNotFound, ServiceUnavailable
from searchloom.settings import Engine, EngineName
from tests.engines.chunks import index
from tests.engines.misbehaving_proxy import Fault, Proxy, misbehaving_proxy

Connect = Callable[[BulkLimits], Loader]
QUICK = BulkLimits(attempts=4, wait_initial_s=0.01, wait_max_s=0.05)


@pytest.fixture
def proxy(engine_settings: Engine) -> Iterator[Proxy]:
    with misbehaving_proxy(engine_settings.url) as standing:
        yield standing


@pytest.fixture
def through(engine: EngineName, proxy: Proxy) -> Iterator[Connect]:
    opened: list[EngineLoader] = []

    def connect(limits: BulkLimits) -> Loader:
        opened.append(EngineLoader(dialect(engine), wire(engine, Engine(url=proxy.url)), limits))
        return opened[-1]

    yield connect
    for loader in opened:
        loader.close()


def test_a_busy_item_inside_a_good_answer_is_sent_again(
    through: Connect, proxy: Proxy, generation: str, loader: Loader
) -> None:
    proxy.faults.extend([Fault(busy=frozenset({0, 3})), Fault(busy=frozenset({1}))])
    outcomes = list(through(QUICK).write(generation, [index(str(n)) for n in range(5)]))
    loader.refresh(generation)
    assert Counter(outcome.status for outcome in outcomes) == {"written": 5}
    assert (loader.count(generation), proxy.bulk_requests) == (5, 3)


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_busy_engine_is_asked_again(through: Connect, proxy: Proxy, generation: str, status: int) -> None:
    proxy.faults.append(Fault(status=status))
    outcomes = list(through(QUICK).write(generation, [index("a"), index("b")]))
    assert [outcome.status for outcome in outcomes] == ["written", "written"]
    assert proxy.bulk_requests == 2


def test_a_cut_connection_loses_and_doubles_nothing(
    through: Connect, proxy: Proxy, generation: str, loader: Loader
) -> None:
    proxy.faults.extend([Fault(cut="before"), Fault(cut="after")])
    outcomes = list(through(QUICK).write(generation, [index("a"), index("b")]))
    loader.refresh(generation)
    assert {outcome.status for outcome in outcomes} == {"current"}, "the second request did the work before the cut"
    assert loader.count(generation) == 2


def test_an_engine_that_stays_busy_raises_transient_with_the_counts(
    through: Connect, proxy: Proxy, generation: str
) -> None:
    proxy.faults.extend([Fault(busy=frozenset({1}))] + [Fault(busy=frozenset({0}))] * 10)
    with pytest.raises(ServiceUnavailable, match=r"turned 1 of 3 writes away 4 times"):
        list(through(QUICK).write(generation, [index("a"), index("b"), index("c")]))


def test_an_engine_that_is_away_raises_transient(engine: EngineName, generation: str) -> None:
    away = EngineLoader(dialect(engine), wire(engine, Engine(url="http://127.0.0.1:9")), QUICK)
    with pytest.raises(ServiceUnavailable, match="did not answer"):
        list(away.write(generation, [index("a")]))
    away.close()


def test_a_request_that_is_too_large_goes_in_halves(
    through: Connect, proxy: Proxy, generation: str, loader: Loader
) -> None:
    proxy.max_bytes = 2000
    outcomes = list(through(QUICK).write(generation, [index(str(n)) for n in range(16)]))
    loader.refresh(generation)
    assert Counter(outcome.status for outcome in outcomes) == {"written": 16}
    assert loader.count(generation) == 16


def test_trouble_in_one_half_does_not_lose_the_other(
    through: Connect, proxy: Proxy, generation: str, loader: Loader
) -> None:
    proxy.max_bytes = 2500
    proxy.faults.append(Fault(status=503))
    outcomes = list(through(QUICK).write(generation, [index(str(n)) for n in range(8)]))
    loader.refresh(generation)
    assert Counter(outcome.status for outcome in outcomes) == {"written": 8}
    assert loader.count(generation) == 8


def test_a_chunk_that_is_too_large_alone_is_refused_and_the_rest_goes_on(
    through: Connect, proxy: Proxy, generation: str
) -> None:
    proxy.max_bytes = 5000
    writes = [index("a"), index("big", text="long " * 2000), index("c")]
    outcomes = {outcome.chunk_id: outcome for outcome in through(QUICK).write(generation, writes)}
    assert [outcomes[write.chunk_id].status for write in writes] == ["written", "refused", "written"]
    assert "the chunk is 1" in outcomes[writes[1].chunk_id].reason


def test_requests_are_bounded_by_count_and_bytes(through: Connect, proxy: Proxy, generation: str) -> None:
    writes = [index(str(n)) for n in range(10)]
    list(through(BulkLimits(items=4)).write(generation, writes))
    assert proxy.bulk_requests == 3
    list(through(BulkLimits(bytes=1500)).write(generation, writes))
    assert proxy.bulk_requests > 3 + 3


def test_writes_are_taken_as_they_are_needed(through: Connect, generation: str) -> None:
    taken: list[int] = []

    def stream() -> Iterator[Write]:
        for number in range(100):
            taken.append(number)
            yield index(str(number))

    outcomes = through(BulkLimits(items=10)).write(generation, stream())
    next(outcomes)
    assert len(taken) == 11


def test_a_refused_chunk_names_its_reason(loader: Loader, generation: str) -> None:
    writes = [
        index("a", embedding=[1.0, 2.0]),
        index("b", unknown="field"),
        index("c", embedding=[float("nan")] * 4),
        index("d", embedding=[0.0] * 4),
        index("e"),
    ]
    outcomes = {outcome.chunk_id: outcome for outcome in loader.write(generation, writes)}
    reasons = [outcomes[write.chunk_id].reason for write in writes]
    assert [outcomes[write.chunk_id].status for write in writes] == ["refused"] * 4 + ["written"]
    assert "dimension" in reasons[0]
    assert "unknown" in reasons[1]
    assert "JSON" in reasons[2]
    assert "zero" in reasons[3]


def test_a_missing_index_stops_the_load_and_is_not_made_by_it(loader: Loader, generation: str) -> None:
    with pytest.raises(ServiceNotFound, match="create"):
        list(loader.write(f"{generation}-missing", [index("a")]))
    assert loader.meta(f"{generation}-missing") is None
