"""Parts that die or hang are left out and named, within the deadline; what is left still serves."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient

from searchloom.query import breaker, tokens
from searchloom.query.app import create_app
from searchloom.settings import ENGINES, Embedding, Engine, EngineName, Settings
from tests.query.collection import CORPUS
from tests.query.conftest import live_index, model_service, publish, running, wait_for
from tests.query.tcp_proxy import TcpProxy, tcp_proxy
from tests.query.test_search import names, search
from tests.query.tiny_embedding import TOKEN

DEADLINE_MS = 2000


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> EngineName:
    """Each engine in turn."""
    name: EngineName = request.param
    return name


@pytest.fixture
def proxies(served: Settings) -> Iterator[dict[EngineName, TcpProxy]]:
    """A proxy before each engine."""
    with tcp_proxy(served.opensearch.url) as opensearch, tcp_proxy(served.elasticsearch.url) as elasticsearch:
        yield {"opensearch": opensearch, "elasticsearch": elasticsearch}


@pytest.fixture
def fragile(
    served: Settings, proxies: dict[EngineName, TcpProxy], monkeypatch: pytest.MonkeyPatch
) -> Iterator[TestClient]:
    """The app with both engines behind proxies, and no rest for an engine that failed."""
    monkeypatch.setattr(breaker, "REST_S", 0.0)
    short = served.query.model_copy(update={"deadline_ms": DEADLINE_MS, "embedding_ms": 300})
    addresses = {name: Engine(url=proxy.url) for name, proxy in proxies.items()}
    with running(served.model_copy(update={"query": short, **addresses})) as client:
        yield client


@pytest.mark.parametrize("trouble", ["refuse", "hang"])
def test_the_other_engine_serves_when_one_fails(
    fragile: TestClient, proxies: dict[EngineName, TcpProxy], engine: EngineName, trouble: str
) -> None:
    getattr(proxies[engine], trouble)()
    other = next(name for name in ENGINES if name != engine)
    for mode in ("bm25", "vector", "hybrid"):
        answer = search(fragile, "merge two tables", engine=engine, mode=mode)
        assert (answer["engine"], answer["degraded"]) == (other, [engine])
        assert names(answer)[0] == "merge"
    assert search(fragile, "merge two tables", engine=other)["degraded"] == []
    assert fragile.get("/readyz").json()["engines"] == {engine: False, other: True}
    proxies[engine].recover()
    wait_for(lambda: search(fragile, "merge two tables", engine=engine)["degraded"] == [], seconds=10)
    assert search(fragile, "merge two tables", engine=engine)["engine"] == engine


@pytest.mark.parametrize("trouble", ["refuse", "hang"])
def test_without_engines_the_answer_is_503_within_the_deadline(
    fragile: TestClient, proxies: dict[EngineName, TcpProxy], trouble: str
) -> None:
    for proxy in proxies.values():
        getattr(proxy, trouble)()
    started = time.monotonic()
    response = fragile.post("/v1/search", json={"query": "merge", "corpus": CORPUS})
    assert time.monotonic() - started < DEADLINE_MS / 1000 + 1
    assert response.status_code == 503
    assert response.json()["error"]["code"] == "unavailable"
    assert "engine" in response.json()["error"]["message"]
    assert response.headers["retry-after"]
    assert fragile.get("/readyz").status_code == 503
    for proxy in proxies.values():
        proxy.recover()
    body = {"query": "merge two tables", "corpus": CORPUS}
    wait_for(lambda: fragile.post("/v1/search", json=body).status_code == 200, seconds=10)
    assert names(search(fragile, "merge two tables"))[0] == "merge"


@pytest.mark.parametrize("trouble", ["refuse", "hang"])
def test_engines_known_to_be_down_are_not_waited_for(
    fragile: TestClient, proxies: dict[EngineName, TcpProxy], trouble: str
) -> None:
    for proxy in proxies.values():
        getattr(proxy, trouble)()
    body = {"query": "merge", "corpus": CORPUS, "mode": "bm25"}
    times = []
    for _ in range(breaker.THRESHOLD + 3):
        started = time.monotonic()
        assert fragile.post("/v1/search", json=body).status_code == 503
        times.append(time.monotonic() - started)
    assert max(times[-3:]) < DEADLINE_MS / 1000 / 4  # a tenth of it, and room for a busy machine
    for proxy in proxies.values():
        proxy.recover()
    wait_for(lambda: fragile.post("/v1/search", json=body).status_code == 200, seconds=10)


def test_an_engine_that_has_just_failed_is_asked_last(served: Settings, proxies: dict[EngineName, TcpProxy]) -> None:
    hanging = served.model_copy(update={"opensearch": Engine(url=proxies["opensearch"].url)})
    proxies["opensearch"].hang()
    with running(hanging) as client:
        search(client, "merge", engine="opensearch", mode="bm25")  # this one waits for its share of the deadline
        started = time.monotonic()
        answer = search(client, "merge", engine="opensearch", mode="bm25")
        assert time.monotonic() - started < hanging.query.deadline_ms / 1000 / 2
    assert (answer["engine"], answer["degraded"]) == ("elasticsearch", ["opensearch"])


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "hanging"])
def test_without_the_embedding_service_words_still_serve(served: Settings, number: signal.Signals) -> None:
    short = served.query.model_copy(update={"deadline_ms": DEADLINE_MS, "embedding_ms": 300})
    with model_service() as service:
        own = served.model_copy(update={"query": short, "embedding": Embedding(url=service.url, token=TOKEN)})
        with running(own) as client:
            assert search(client, "merge two tables")["degraded"] == []
            service.send(number)
            answer = search(client, "join the tables")
            assert (answer["degraded"], answer["engine"]) == (["vector"], "opensearch")
            assert names(answer)
            assert search(client, "join the tables", mode="bm25")["degraded"] == []
            refused = client.post("/v1/search", json={"query": "join", "corpus": CORPUS, "mode": "vector"})
            assert refused.status_code == 503
            assert "embedding" in refused.json()["error"]["message"]
            ready = client.get("/readyz")
            assert (ready.status_code, ready.json()["embedding"]) == (200, False)


def test_vectors_of_another_model_are_never_used(served: Settings) -> None:
    publish(served, live_index(served), corpus="own-model", embedding={"version": "own-2", "dims": 64})
    with running(served) as client:
        answer = search(client, "merge two tables", corpus="own-model")
        assert answer["degraded"] == ["vector"]
        refused = client.post("/v1/search", json={"query": "join", "corpus": "own-model", "mode": "vector"})
        assert refused.status_code == 503


def test_a_release_whose_index_is_in_one_engine_only_is_served_by_that_one(served: Settings) -> None:
    index = live_index(served)
    publish(served, index, corpus="half", generation={"opensearch": "searchloom-gone-1", "elasticsearch": index})
    with running(served) as client:
        answer = search(client, "merge two tables", corpus="half", engine="opensearch")
        assert (answer["engine"], answer["degraded"]) == ("elasticsearch", ["opensearch"])


def test_the_last_release_stays_when_the_object_store_vanishes(served: Settings) -> None:
    with tcp_proxy(served.oss.endpoint) as proxy:
        own = served.model_copy(update={"oss": served.oss.model_copy(update={"endpoint": proxy.url})})
        with running(own) as client:
            proxy.refuse()
            time.sleep(2.5)  # a refresh has failed meanwhile
            assert search(client, "merge two tables")["release"] == 1
            assert client.get("/readyz").status_code == 200


def test_before_the_object_store_answers_nothing_is_ready(served: Settings) -> None:
    with tcp_proxy(served.oss.endpoint) as proxy:
        proxy.hang()
        own = served.model_copy(update={"oss": served.oss.model_copy(update={"endpoint": proxy.url})})
        with TestClient(create_app(own)) as client:
            headers = {"Authorization": f"Bearer {tokens.sign(own, user='tester')}"}
            ready = client.get("/readyz")
            assert (ready.status_code, ready.json()["releases"]) == (503, None)
            early = client.post("/v1/search", json={"query": "merge", "corpus": CORPUS}, headers=headers)
            assert early.status_code == 503
            assert "object store" in early.json()["error"]["message"]
            assert client.get("/healthz").json() == {"status": "ok"}
