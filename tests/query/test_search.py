"""What a search returns, on both engines and in every mode."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient

from searchloom.settings import ENGINES, EngineName
from tests.query.collection import CORPUS

MODES = ("bm25", "vector", "hybrid")
Bearer = Callable[..., dict[str, str]]


def search(client: TestClient, query: str, *, headers: dict[str, str] | None = None, **fields: Any) -> dict[str, Any]:
    response = client.post("/v1/search", json={"query": query, "corpus": CORPUS} | fields, headers=headers)
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


def names(answer: dict[str, Any]) -> list[str]:
    return [result["source_id"].removesuffix(".md") for result in answer["results"]]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("mode", MODES)
def test_the_right_document_comes_first(client: TestClient, mode: str, engine: EngineName) -> None:
    answer = search(client, "merge two tables with a join on a key column", mode=mode, engine=engine)
    assert names(answer)[0] == "merge"
    assert (answer["engine"], answer["mode"], answer["release"], answer["degraded"]) == (engine, mode, 1, [])
    assert answer["timings"] is None
    assert all(result["parts"] is None for result in answer["results"])


@pytest.mark.parametrize("mode", MODES)
def test_both_engines_rank_alike(client: TestClient, mode: str) -> None:
    opensearch, elasticsearch = (search(client, "secret table", mode=mode, engine=name) for name in ENGINES)
    assert names(opensearch) == names(elasticsearch)
    for one, other in zip(opensearch["results"], elasticsearch["results"], strict=True):
        assert one["score"] == pytest.approx(other["score"], abs=1e-4)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("mode", MODES)
def test_nobody_finds_what_their_token_does_not_open(
    client: TestClient, bearer: Bearer, mode: str, engine: EngineName
) -> None:
    allowed = {
        ("default",): {"merge", "concat", "parquet", "script", "zh"},
        ("default", "finance"): {"merge", "concat", "parquet", "script", "zh", "plan"},
        ("default", "hr"): {"merge", "concat", "parquet", "script", "zh"},
        ("acme",): {"acme"},
        ("acme", "hr"): {"acme", "acme-hr"},
        ("acme", "finance"): {"acme"},
        ("nobody", "hr", "finance"): set(),
    }
    for who, visible in allowed.items():
        answer = search(client, "the secret table", headers=bearer(*who), mode=mode, engine=engine, k=100)
        assert set(names(answer)) <= visible, who
        if mode != "bm25":  # every visible vector is somewhere near
            assert set(names(answer)) == visible, who


def test_a_document_stands_in_the_answer_once_by_its_best_chunk(client: TestClient) -> None:
    answer = search(client, "columns parquet table", mode="hybrid", k=100)
    assert len(names(answer)) == len(set(names(answer)))
    best = answer["results"][0]
    assert (best["source_id"], best["ordinal"]) == ("parquet.md", 1)


def test_passages_are_escaped_and_highlighted(client: TestClient) -> None:
    answer = search(client, "alert markup", mode="bm25")
    passage = answer["results"][0]["passage"]
    assert "<script" not in passage
    assert "&lt;script&gt;" in passage
    assert "<em>markup</em>" in passage
    assert "&lt;em&gt;" in passage


def test_passages_without_a_match_are_escaped_too(client: TestClient) -> None:
    found = search(client, "script", mode="vector", k=100)["results"]
    assert all("<script" not in result["passage"] for result in found)


@pytest.mark.parametrize("engine", ENGINES)
def test_explain_shows_what_each_part_said(client: TestClient, engine: EngineName) -> None:
    answer = search(client, "merge tables", explain=True, engine=engine)
    first = answer["results"][0]["parts"]
    assert first["bm25"]["rank"] == 1
    assert first["bm25"]["normalised"] == 1
    assert -1 <= first["vector"]["score"] <= 1
    assert {"embed", "bm25", "vector", "fuse", "personal", "passages"} == set(answer["timings"])


@pytest.mark.parametrize("mode", MODES)
def test_pages_put_together_are_the_long_answer(client: TestClient, mode: str) -> None:
    whole = names(search(client, "table", mode=mode, k=6))
    pages = [name for offset in (0, 2, 4) for name in names(search(client, "table", mode=mode, k=2, offset=offset))]
    assert pages == whole


@pytest.mark.parametrize("engine", ENGINES)
def test_chinese_is_found_by_its_words(client: TestClient, engine: EngineName) -> None:
    assert names(search(client, "合并表格", engine=engine, mode="bm25")) == ["zh"]
    answer = search(client, "合并表格", engine=engine, explain=True)
    assert names(answer)[0] == "zh"
    assert answer["results"][1]["score"] <= 0.2  # the weight of vectors for Chinese: no word of it is in the others


def test_a_query_of_the_greatest_length_is_served(client: TestClient) -> None:
    for query in ("表" * 2000, "word " * 399 + "end", "a " * 999, "(" * 2000, "\x00 null"):
        search(client, query)


def test_a_query_without_words_finds_nothing_by_words(client: TestClient) -> None:
    assert names(search(client, "?!", mode="bm25")) == []
