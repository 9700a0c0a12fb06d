"""A release with a reranker: its scores are blended into the head; late or dead, it is left out and named."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient

from searchloom.engines.fusion import blend, fuse, passage
from searchloom.engines.interface import Access
from searchloom.engines.reading import searcher
from searchloom.release.document import Fusion, Reranker
from searchloom.settings import ENGINES, EngineName, Settings
from tests.query.conftest import Service, live_index, model_service, publish, running
from tests.query.test_search import names, search
from tests.query.tiny_embedding import RERANKER, encode, score

CORPUS = "reranked"
QUERY = "the columns of a parquet table"
WEIGHT, DEPTH = 0.9, 4


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with model_service(RERANKER, "0") as running_service:
        yield running_service


@pytest.fixture(scope="module")
def reranked(served: Settings, service: Service) -> Iterator[TestClient]:
    model = Reranker(version=RERANKER, service=service.url, weight=WEIGHT, depth=DEPTH, max_tokens=256)
    publish(served, live_index(served), corpus=CORPUS, reranker=model)
    with running(served) as client:
        yield client


@pytest.mark.parametrize("engine", ENGINES)
async def test_the_head_is_blended_as_the_judge_blends_it(
    served: Settings, reranked: TestClient, engine: EngineName
) -> None:
    answer = search(reranked, QUERY, corpus=CORPUS, engine=engine, k=20)
    assert answer["degraded"] == []
    side, access, index = searcher(served, engine), Access("default"), live_index(served)
    size = served.query.candidates
    lexical = await side.bm25(index, QUERY, access, size=size, timeout_s=10, highlight=False)
    nearest = await side.vector(index, encode([QUERY])[0].tolist(), access, size=size, timeout_s=10)
    await side.close()
    fused = fuse(lexical, nearest, Fusion(vector_weight_by_language={"zh": 0.2}), language="en")
    scores = score([(QUERY, passage(entry)) for entry in fused[:DEPTH]])
    expected = blend(fused, {entry.doc_id: float(one) for entry, one in zip(fused, scores, strict=False)}, WEIGHT)
    assert [result["doc_id"] for result in answer["results"]] == [entry.doc_id for entry in expected]
    assert [entry.doc_id for entry in expected] != [entry.doc_id for entry in fused]


def test_explain_shows_its_score_and_time(reranked: TestClient) -> None:
    answer = search(reranked, QUERY, corpus=CORPUS, explain=True, k=20)
    judged = [result["parts"]["rerank"] for result in answer["results"] if result["parts"]["rerank"]]
    assert sorted(one["rank"] for one in judged) == list(range(1, DEPTH + 1))
    assert max(one["normalised"] for one in judged) == 1
    assert answer["timings"]["rerank"] > 0


def test_it_is_left_out_where_the_caller_says_so_and_in_the_other_modes(reranked: TestClient) -> None:
    plain = names(search(reranked, QUERY))
    for fields in ({"rerank": False}, {"mode": "bm25"}, {"mode": "vector"}):
        answer = search(reranked, QUERY, corpus=CORPUS, explain=True, **fields)
        assert "rerank" not in answer["timings"]
    assert names(search(reranked, QUERY, corpus=CORPUS, rerank=False)) == plain


def test_pages_put_together_are_the_long_answer(reranked: TestClient) -> None:
    whole = names(search(reranked, QUERY, corpus=CORPUS, k=6))
    pages = [name for offset in (0, 2, 4) for name in names(search(reranked, QUERY, corpus=CORPUS, k=2, offset=offset))]
    assert pages == whole


def test_the_corpora_name_it(reranked: TestClient) -> None:
    corpora = {one["corpus"]: one["reranker"] for one in reranked.get("/v1/corpora").json()["corpora"]}
    assert corpora[CORPUS] == RERANKER


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "hanging"])
def test_late_or_dead_it_is_left_out_and_named(served: Settings, number: signal.Signals) -> None:
    corpus = f"reranker-{number.name.lower()}"
    with model_service(RERANKER, "0") as mortal:
        model = Reranker(version=RERANKER, service=mortal.url, weight=WEIGHT, depth=DEPTH, max_tokens=256)
        publish(served, live_index(served), corpus=corpus, reranker=model)
        short = served.query.model_copy(update={"rerank_ms": 300})
        with running(served.model_copy(update={"query": short})) as client:
            assert search(client, QUERY, corpus=corpus)["degraded"] == []
            mortal.send(number)
            started = time.monotonic()
            answer = search(client, QUERY, corpus=corpus, explain=True)
            assert time.monotonic() - started < served.query.deadline_ms / 1000
            assert answer["degraded"] == ["rerank"]
            assert names(answer) == names(search(client, QUERY, corpus=corpus, rerank=False))


def test_another_reranker_than_the_releases_is_not_listened_to(served: Settings, service: Service) -> None:
    model = Reranker(version="own-reranker-2", service=service.url, weight=WEIGHT, depth=DEPTH, max_tokens=256)
    publish(served, live_index(served), corpus="other-reranker", reranker=model)
    with running(served) as client:
        assert search(client, QUERY, corpus="other-reranker")["degraded"] == ["rerank"]
