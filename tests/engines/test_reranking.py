"""Reranking inside the engines: real ones with what it takes, our real model service, the local Bailian."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from searchloom.cloud.bailian import Bailian
from searchloom.engines import connect
from searchloom.engines.interface import Access, GenerationMeta
from searchloom.engines.lexical import lexical_query
from searchloom.engines.reranking import Endpoint, EngineReranker, of_bailian, of_service
from searchloom.errors import ServiceError, Terminal, Transient
from searchloom.release import wire
from searchloom.schemas import embedding_text
from searchloom.settings import Bailian as BailianSettings
from searchloom.settings import Engine, EngineName, Settings
from tests.engine_servers import engines
from tests.engines import reranker_service
from tests.engines.chunks import DIMS, index
from tests.servers import local_cloud

pytestmark = pytest.mark.slow

VERSION = "reranker-1"
TOKEN = SecretStr("secret")
QUERY = 'the "lift" ${query} of a wing \\ 流れ\tin flow'
TEXTS = [
    ("Wings", "1. Lift", 'the "lift" of a swept wing\nat \\high\\ speed, 100 % of it'),
    ("", "", "heat in a laminar flow"),
    ("Flow", "", "境界層の流れ over a wing {with} ${braces} ${parameters.documents} and a \ttab"),
    ("Wing flow", "Tables", "nothing but numbers: 1 2 3"),
    ("", "Wing", "'single' and \"double\" <quotes> & a null \u2028 separator"),
    ("A wing", "", "the wing of a bird " * 60),
]


@dataclass(frozen=True)
class Calling:
    """Engines that call models; what Elasticsearch said under its basic licence, before its trial began."""

    settings: Settings
    refusal: str


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("reranker") / "model"
    reranker_service.make(folder, VERSION)
    with reranker_service.served(folder, VERSION) as url:
        yield url


@pytest.fixture(scope="module")
def calling(service: str) -> Iterator[Calling]:
    try:
        with engines(inference=True) as servers:
            urls = servers.urls
            settings = Settings(
                opensearch=Engine(url=urls["opensearch"]), elasticsearch=Engine(url=urls["elasticsearch"])
            )
            await_licence(urls["elasticsearch"])
            reranker = connect.reranker(settings, "elasticsearch")
            with pytest.raises(Terminal) as refused:
                reranker.register(of_service(service, VERSION, TOKEN))
            reranker.close()
            trial = f"{urls['elasticsearch']}/_license/start_trial?acknowledge=true"
            httpx.post(trial, timeout=60, trust_env=False).raise_for_status()
            yield Calling(settings, str(refused.value))
    except Transient as error:
        pytest.skip(f"the engines that call models cannot be fetched: {error}")


def await_licence(url: str) -> None:
    """Wait for the basic licence, which a new node gives itself some moments after it is healthy."""
    deadline = time.monotonic() + 60
    while httpx.get(f"{url}/_license", timeout=10, trust_env=False).status_code != httpx.codes.OK:
        assert time.monotonic() < deadline
        time.sleep(0.2)


@pytest.fixture
def reranker(calling: Calling, engine: EngineName) -> Iterator[EngineReranker]:
    connected = connect.reranker(calling.settings, engine)
    yield connected
    connected.close()


@pytest.fixture
def index_name(calling: Calling, engine: EngineName, reranker: EngineReranker) -> Iterator[str]:
    loader = connect.loader(calling.settings, engine)
    name = f"rr-{uuid.uuid4().hex[:8]}"
    loader.create(name, GenerationMeta("tests", "model-1", DIMS))
    writes = [
        index(str(place), title=title, section=section, text=text) for place, (title, section, text) in enumerate(TEXTS)
    ]
    assert {outcome.status for outcome in loader.write(name, writes)} == {"written"}
    loader.refresh(name)
    reranker.prepare(name)
    reranker.prepare(name)
    yield name
    loader.drop(name)
    loader.close()


def found_by(reranker: EngineReranker, name: str, identifier: str) -> list[str]:
    search = reranker.search(identifier, lexical_query(QUERY, Access("default")), QUERY, depth=10)
    return [hit["_source"]["source_id"] for hit in reranker.hits(name, search)]


def direct(url: str, passages: list[str]) -> list[float]:
    body = {"query": QUERY, "passages": passages, "version": VERSION}
    answer = httpx.post(url + wire.RERANK_PATH, json=body, timeout=60, trust_env=False).raise_for_status()
    scores: list[float] = answer.json()["scores"]
    return scores


def best_first(scores: list[float]) -> list[str]:
    return [str(place) for place in sorted(range(len(scores)), key=lambda place: -scores[place])]


def test_hits_come_in_the_order_of_a_direct_call(reranker: EngineReranker, index_name: str, service: str):
    identifier = reranker.register(of_service(service, VERSION, TOKEN))
    expected = best_first(direct(service, [embedding_text(*text) for text in TEXTS]))
    assert found_by(reranker, index_name, identifier) == expected


def test_bailian_ranks_as_it_does_for_its_own_client(reranker: EngineReranker, index_name: str, tmp_path: Path):
    with local_cloud(tmp_path / "cloud", variables={"LOCALCLOUD_API_KEY": "sk-tests"}) as cloud:
        settings = BailianSettings(url=cloud.endpoint, api_key=SecretStr("sk-tests"))
        client = Bailian(settings)
        # The first call waits for the local model, longer than an engine would.
        passages = [embedding_text(*text) for text in TEXTS]
        expected = [str(rank.index) for rank in client.rerank(QUERY, passages, top_n=len(passages))]
        client.close()
        identifier = reranker.register(of_bailian(settings))
        assert found_by(reranker, index_name, identifier) == expected


def test_what_is_registered_is_found_again_and_removed_whole(reranker: EngineReranker, index_name: str, service: str):
    endpoint = of_service(service, VERSION, SecretStr("another token"))
    identifier = reranker.register(endpoint)
    assert reranker.register(endpoint) == identifier == endpoint.id
    assert len(found_by(reranker, index_name, identifier)) == len(TEXTS)
    reranker.remove(identifier)
    with pytest.raises(ServiceError):
        found_by(reranker, index_name, identifier)
    reranker.remove(identifier)
    assert reranker.register(endpoint) == identifier
    assert len(found_by(reranker, index_name, identifier)) == len(TEXTS)


@pytest.mark.parametrize("wrong", ["another version", "nobody there"])
def test_nothing_is_ranked_by_another_model_or_by_none(
    reranker: EngineReranker, index_name: str, service: str, wrong: str
):
    url, version = (service, "reranker-2") if wrong == "another version" else ("http://127.0.0.1:9", VERSION)
    with pytest.raises((ServiceError, Terminal)):
        found_by(reranker, index_name, reranker.register(of_service(url, version, TOKEN)))


def test_the_basic_licence_of_elasticsearch_refuses_in_one_sentence(calling: Calling):
    assert calling.refusal.startswith("the licence of this Elasticsearch does not include _inference: ")
    assert "_license/start_trial" in calling.refusal


@pytest.mark.parametrize("engine", ["opensearch", "elasticsearch"])
def test_an_engine_without_what_it_takes_says_what_to_fetch(settings: Settings, engine: EngineName):
    reranker = connect.reranker(settings, engine)
    with pytest.raises(Terminal, match=rf"has no .*: set {engine}\.inference .* 'make setup'"):
        reranker.register(of_service("http://127.0.0.1:9", VERSION, TOKEN))
    reranker.close()


def test_an_id_changes_with_everything_that_makes_an_endpoint():
    ids = {
        of_service(url, version, SecretStr(token)).id
        for url in ("http://a", "http://b")
        for version in ("1", "2")
        for token in ("x", "y")
    }
    assert len(ids) == 8
    endpoint: Endpoint = of_service("http://a", "Own_Reranker/1", TOKEN)
    assert endpoint.id.startswith("searchloom-own-reranker-1-")
    assert TOKEN.get_secret_value() not in endpoint.id
