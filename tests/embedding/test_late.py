"""Reading token by token, and remembering what was read."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from searchloom.embedding import late
from searchloom.embedding.reranker import Reranker
from tests.corpus.runs import MODEL_FOLDER

QUERIES = ["how to join two tables", "boundary layers"]
PASSAGES = [f"Passage number {number} about tables, wings and keys. " * (1 + number % 4) for number in range(12)]


def test_a_passage_is_read_once_and_scored_the_same_for_every_query(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []
    reading = late.token_vectors

    def counted(model: object, features: dict[str, torch.Tensor]) -> torch.Tensor:
        read.append(len(features["input_ids"]))
        return reading(model, features)

    monkeypatch.setattr(late, "token_vectors", counted)
    reranker = Reranker(MODEL_FOLDER, 64, 1, bf16=False)
    first = reranker.score([(QUERIES[0], passage) for passage in PASSAGES])
    assert sum(read) == len(PASSAGES) + 1
    read.clear()
    again = reranker.score([(query, passage) for query in QUERIES for passage in PASSAGES])
    assert sum(read) == len(QUERIES), "passages are remembered, queries are read"
    fresh = Reranker(MODEL_FOLDER, 64, 1, bf16=False)
    other = fresh.score([(QUERIES[1], passage) for passage in reversed(PASSAGES)])[::-1]
    np.testing.assert_allclose(again[: len(PASSAGES)], first, atol=1e-5)
    np.testing.assert_allclose(again[len(PASSAGES) :], other, atol=1e-3)


def test_what_was_used_longest_ago_goes_when_there_is_no_room() -> None:
    memory = late.Memory(megabytes=1)
    vectors = torch.zeros(500, 384, dtype=torch.float16)  # 384 kB
    for name in ("a", "b", "a", "c"):
        memory.known([name])
        memory.keep({name: vectors})
    assert set(memory.known(["a", "b", "c"])) == {"a", "c"}
