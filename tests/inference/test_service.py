"""The embedding service: what it answers, what it refuses, that it batches, and that it stops."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

from searchloom.inference.handler import MAX_CHARACTERS, MAX_TEXTS, EmbeddingHandler, ServedModel
from searchloom.inference.service import MAX_BODY, create_app
from searchloom.release.wire import EMBED_PATH as PATH
from tests.query.tiny_embedding import DIMS, TOKEN, VERSION, encode

MODEL = ServedModel(VERSION, DIMS)


@pytest.fixture
def client() -> Iterator[TestClient]:
    with TestClient(create_app(EmbeddingHandler(MODEL, encode), TOKEN)) as connected:
        connected.headers["Authorization"] = f"Bearer {TOKEN}"
        yield connected


def test_every_text_gets_its_vector_in_order(client: TestClient) -> None:
    texts = ["merge two tables", "", "合并表格", "merge two tables"]
    for body in ({"texts": texts}, {"texts": texts, "version": VERSION}):
        answer = client.post(PATH, json=body).json()
        assert (answer["version"], answer["dims"]) == (VERSION, DIMS)
        np.testing.assert_allclose(answer["embeddings"], encode(texts), rtol=1e-6)


def test_health_names_the_model_and_needs_no_token(client: TestClient) -> None:
    del client.headers["Authorization"]
    assert client.get("/health").json() == {"status": "ok", "version": VERSION, "dims": DIMS}


@pytest.mark.parametrize("header", [None, "Bearer wrong", "Bearer", f"Basic {TOKEN}"])
def test_without_the_token_nothing_is_embedded(client: TestClient, header: str | None) -> None:
    del client.headers["Authorization"]
    response = client.post(PATH, json={"texts": ["x"]}, headers={"Authorization": header} if header else {})
    assert response.status_code == 401
    assert "token" in response.json()["error"]


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({}, 422, "texts"),
        ({"texts": []}, 422, "texts"),
        ({"texts": "one"}, 422, "texts"),
        ({"texts": ["a", 1]}, 422, "texts.1"),
        ({"texts": ["a"], "normalise": False}, 422, "normalise"),
        ({"texts": ["a"] * (MAX_TEXTS + 1)}, 422, f"{MAX_TEXTS + 1} texts"),
        ({"texts": ["a" * (MAX_CHARACTERS + 1)]}, 422, f"{MAX_CHARACTERS + 1} characters"),
        ({"texts": ["a" * MAX_BODY]}, 422, "larger than"),
        ({"texts": ["a"], "version": "another"}, 404, VERSION),
    ],
)
def test_a_bad_request_is_told_what_is_wrong(client: TestClient, body: Any, status: int, words: str) -> None:
    response = client.post(PATH, json=body)
    assert response.status_code == status
    assert words in response.json()["error"]


def test_bodies_that_are_no_json_are_refused(client: TestClient) -> None:
    for content in (b"", b"{", b"\xff", b'{"texts": ["\\ud800"]}'):
        assert client.post(PATH, content=content).status_code == 422


def test_requests_that_wait_go_through_the_model_together() -> None:
    runs: list[int] = []
    busy, go_on = threading.Event(), threading.Event()

    def slow(texts: list[str]) -> np.ndarray:
        runs.append(len(texts))
        busy.set()
        go_on.wait(30)
        return encode(texts)

    with (
        TestClient(create_app(EmbeddingHandler(MODEL, slow), "")) as client,
        ThreadPoolExecutor(16) as pool,
    ):
        first = pool.submit(client.post, PATH, json={"texts": ["first"]})
        assert busy.wait(30)
        others = [pool.submit(client.post, PATH, json={"texts": [f"word{n}", f"other{n}"]}) for n in range(12)]
        while sum(other.running() for other in others) < 12:
            threading.Event().wait(0.01)
        threading.Event().wait(0.5)  # they are in the queue by now
        go_on.set()
        assert first.result().json()["embeddings"] == encode(["first"]).tolist()
        for n, other in enumerate(others):
            assert other.result().json()["embeddings"] == encode([f"word{n}", f"other{n}"]).tolist()
    assert sum(runs) == 25
    assert len(runs) < 6


def test_a_failing_model_fails_its_batch_and_nothing_else() -> None:
    def sometimes(texts: list[str]) -> np.ndarray:
        if "poison" in texts:
            raise RuntimeError("the model choked")
        return encode(texts)

    with TestClient(create_app(EmbeddingHandler(MODEL, sometimes), ""), raise_server_exceptions=False) as client:
        assert client.post(PATH, json={"texts": ["poison"]}).status_code == 500
        assert client.post(PATH, json={"texts": ["fine"]}).status_code == 200
