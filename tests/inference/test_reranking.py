"""The service around a reranker: what it answers and what it refuses; and cards that lie."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

from searchloom.embedding.card import ModelCard
from searchloom.embedding.model import fingerprint
from searchloom.errors import Terminal
from searchloom.inference.handler import MAX_PASSAGES, RerankHandler, ServedModel
from searchloom.inference.models import read_card
from searchloom.inference.service import create_app
from searchloom.release.wire import EMBED_PATH, RERANK_PATH
from tests.query.tiny_embedding import RERANKER, TOKEN, score

QUERY = "merge two tables"


@pytest.fixture
def client() -> Iterator[TestClient]:
    with TestClient(create_app(RerankHandler(ServedModel(RERANKER), score), TOKEN)) as connected:
        connected.headers["Authorization"] = f"Bearer {TOKEN}"
        yield connected


def test_every_passage_gets_its_score_in_order(client: TestClient) -> None:
    passages = ["the weather", "how to merge tables", "", "two tables"]
    answer = client.post(RERANK_PATH, json={"query": QUERY, "passages": passages, "version": RERANKER}).json()
    assert answer["version"] == RERANKER
    np.testing.assert_allclose(answer["scores"], score([(QUERY, passage) for passage in passages]), rtol=1e-6)
    assert client.get("/health").json() == {"status": "ok", "version": RERANKER}


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({"query": QUERY}, 422, "passages"),
        ({"query": "", "passages": ["a"]}, 422, "query"),
        ({"query": QUERY, "passages": []}, 422, "passages"),
        ({"query": QUERY, "passages": ["a"] * (MAX_PASSAGES + 1)}, 422, f"{MAX_PASSAGES + 1} passages"),
        ({"query": "q" * 1000, "passages": ["a" * 9000] * 100}, 422, "characters"),
        ({"query": QUERY, "passages": ["a"], "version": "own-reranker-2"}, 404, RERANKER),
    ],
)
def test_a_bad_request_is_told_what_is_wrong(client: TestClient, body: Any, status: int, words: str) -> None:
    response = client.post(RERANK_PATH, json=body)
    assert response.status_code == status
    assert words in response.json()["error"]


def test_a_reranker_embeds_nothing(client: TestClient) -> None:
    assert client.post(EMBED_PATH, json={"texts": ["x"]}).status_code == 404


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Files of a model, with the card that fits them."""
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    card = ModelCard(
        version="own-1",
        base="tests",
        dims=4,
        max_tokens=8,
        created=datetime.now(UTC),
        fingerprint=fingerprint(tmp_path),
    )
    (tmp_path / "card.json").write_text(card.model_dump_json())
    return tmp_path


def test_a_card_that_fits_is_believed(folder: Path) -> None:
    assert read_card(folder, "own-1").dims == 4


def test_another_version_than_the_one_asked_for_is_refused(folder: Path) -> None:
    with pytest.raises(Terminal, match="is that of 'own-1', not of 'own-2'; mount that model"):
        read_card(folder, "own-2")


def test_changed_weights_are_refused(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"other weights")
    with pytest.raises(Terminal, match="not those that its card was written for"):
        read_card(folder, "own-1")


@pytest.mark.parametrize("change", [{"dims": 0}, {"kind": "reranker"}, {"max_tokens": -1}, {"fingerprint": None}])
def test_a_card_that_contradicts_itself_is_refused(folder: Path, change: dict[str, Any]) -> None:
    card = json.loads((folder / "card.json").read_text()) | change
    (folder / "card.json").write_text(json.dumps(card))
    with pytest.raises(Terminal, match=r"readable card\.json"):
        read_card(folder, "own-1")


def test_a_folder_without_a_card_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Terminal, match="mount a published model"):
        read_card(tmp_path, "own-1")
