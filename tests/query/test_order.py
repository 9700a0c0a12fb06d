"""Whoever has a say in the order: the reranker that a setting names, and what knows the caller."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence

import pytest
from fastapi.testclient import TestClient
from msgspec import structs
from pydantic import SecretStr

from searchloom.engines.fusion import Ranked
from searchloom.errors import ServiceUnavailable
from searchloom.query.auth import Caller
from searchloom.query.deadline import Deadline
from searchloom.query.personal import Ordered
from searchloom.release.document import Release
from searchloom.settings import Bailian, Settings
from tests.cloud.recording import Answer, Recorder, recorder
from tests.query.conftest import running
from tests.query.test_search import names, search


class Liking:
    """A personal order: documents that a user likes stand first."""

    def __init__(self, likes: dict[str, set[str]], *, trouble: str = "") -> None:
        self.likes = likes
        self.trouble = trouble

    async def order(
        self,
        candidates: Sequence[Ranked],
        caller: Caller,
        deadline: Deadline,  # noqa: ARG002  the protocol's
        *,
        release: Release,  # noqa: ARG002
        query: str,  # noqa: ARG002
    ) -> Ordered:
        if self.trouble == "late":
            await asyncio.sleep(60)
        if self.trouble == "down":
            raise ServiceUnavailable("nobody is known today")
        liked = self.likes.get(caller.user, set())
        scores = {one.doc_id: 1.0 for one in candidates if one.doc_id in liked}
        blended = [structs.replace(one, score=one.score + scores.get(one.doc_id, 0.0)) for one in candidates]
        return Ordered(sorted(blended, key=lambda one: (-one.score, one.doc_id)), scores)

    async def close(self) -> None:
        pass


def with_order(client: TestClient, order: Liking, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client.app.state.parts.pipeline, "_personal", order)  # type: ignore[attr-defined]


def test_what_knows_the_caller_has_a_say_in_the_order(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = search(client, "table", k=100)
    last = plain["results"][-1]["doc_id"]
    with_order(client, Liking({"tester": {last}}), monkeypatch)
    mine = search(client, "table", k=100, explain=True)
    assert mine["results"][0]["doc_id"] == last
    assert sorted(names(mine)) == sorted(names(plain))
    said = mine["results"][0]["parts"]["personal"]
    assert (said["score"], said["rank"]) == (1.0, 1)
    assert said["share"] > 0.5
    assert mine["results"][1]["parts"]["personal"] is None
    assert "personal" in mine["timings"]
    assert names(search(client, "table", k=100, personalize=False)) == names(plain)


@pytest.mark.parametrize("trouble", ["late", "down"])
def test_an_order_that_is_late_or_down_is_left_out_and_named(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, trouble: str
) -> None:
    plain = search(client, "table", k=100)
    with_order(client, Liking({}, trouble=trouble), monkeypatch)
    answer = search(client, "table", k=100)
    assert answer["degraded"] == ["personal"]
    assert names(answer) == names(plain)


@pytest.fixture
def bailian() -> Iterator[Recorder]:
    with recorder() as running_recorder:
        yield running_recorder


@pytest.fixture
def by_bailian(served: Settings, bailian: Recorder) -> Iterator[TestClient]:
    query = served.query.model_copy(
        update={"reranker": "bailian", "bailian_rerank_depth": 3, "bailian_rerank_weight": 1.0, "rerank_ms": 3000}
    )
    own = {"query": query, "bailian": Bailian(url=bailian.url, api_key=SecretStr("an-api-key"))}
    with running(served.model_copy(update=own)) as client:
        yield client


def test_bailian_reranks_the_head_where_a_setting_says_so(by_bailian: TestClient, bailian: Recorder) -> None:
    fused = names(search(by_bailian, "table", k=100, rerank=False))
    assert bailian.requests == []
    ranking = [{"index": 2, "relevance_score": 0.9}, {"index": 0, "relevance_score": 0.5}]
    bailian.will(
        Answer(body={"output": {"results": [*ranking, {"index": 1, "relevance_score": 0.1}]}, "request_id": "r"})
    )
    answer = search(by_bailian, "table", k=100, explain=True)
    assert answer["degraded"] == []
    assert names(answer)[:3] == [fused[2], fused[0], fused[1]]
    assert sorted(names(answer)[3:]) == sorted(fused[3:])
    assert len(bailian.only.body["input"]["documents"]) == 3
    assert [row["parts"]["rerank"]["score"] for row in answer["results"][:3]] == [0.9, 0.5, 0.1]


def test_bailian_out_of_order_is_left_out_and_named(by_bailian: TestClient, bailian: Recorder) -> None:
    fused = names(search(by_bailian, "table", k=100, rerank=False))
    short = {"output": {"results": [{"index": 0, "relevance_score": 0.9}]}, "request_id": "r"}
    for trouble in (Answer(body=short), Answer(status=401, body={"code": "InvalidApiKey", "message": "no"})):
        bailian.will(trouble)
        answer = search(by_bailian, "table", k=100)
        assert (answer["degraded"], names(answer)) == (["rerank"], fused)


def test_the_shares_of_the_parts_add_up_to_the_whole(client: TestClient) -> None:
    for mode in ("bm25", "vector", "hybrid"):
        for result in search(client, "merge the columns of tables", mode=mode, explain=True, k=100)["results"]:
            shares = [part["share"] for part in result["parts"].values() if part]
            assert sum(shares) == pytest.approx(1.0, abs=0.001) or result["score"] == 0
