from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from searchloom.embedding import shards, store
from searchloom.embedding.card import ModelCard
from searchloom.errors import Terminal
from tests.corpus.runs import Runs

CARD = ModelCard(
    version="hashes-1", base="test", dims=8, max_tokens=256, created=datetime(2026, 1, 1, tzinfo=UTC), fingerprint="0"
)


class HashEncoder:
    """Vectors made of the text's hash; stops, as a kill would, after so many calls."""

    def __init__(self, dims: int = 8, stop_after: int = -1) -> None:
        self.dims = dims
        self.stop_after = stop_after
        self.texts: list[str] = []

    def encode(self, texts: Sequence[str], progress: Any = None) -> np.ndarray:  # noqa: ARG002  the encoder's signature
        if not self.stop_after:
            raise KeyboardInterrupt
        self.stop_after -= 1
        self.texts.extend(texts)
        return np.stack([vector(text, self.dims) for text in texts])


def vector(text: str, dims: int = 8) -> np.ndarray:
    raw = np.frombuffer(hashlib.sha256(text.encode()).digest()[:dims], np.uint8).astype(np.float32) + 1
    return raw / np.linalg.norm(raw)


def plan(runs: Runs, group_size: int = 1000, **options: Any) -> dict[str, Any]:
    defaults: dict[str, Any] = {"partition": None, "run_id": "r", "model": CARD}
    return shards.plan(runs.oss, corpus=runs.corpus, group_size=group_size, **(defaults | options))


def embed(runs: Runs, planned: dict[str, Any], encoder: HashEncoder) -> list[dict[str, int]]:
    return [
        shards.embed_group(runs.oss, plan=planned["plan"], group=group, encoder=encoder)
        for group in range(planned["groups"])
    ]


def filled(runs: Runs, count: int) -> None:
    runs.put_records("a.jsonl", [{"_id": str(number), "text": f"text {number}"} for number in range(count)])
    runs.run()


def test_each_distinct_text_is_embedded_once_and_found_by_its_hash(runs: Runs) -> None:
    runs.put_records("a.jsonl", [{"_id": str(number), "text": f"text {number % 50}"} for number in range(100)])
    runs.run()
    planned = plan(runs, group_size=20)
    assert (planned["groups"], planned["missing"], planned["present"]) == (3, 50, 0)
    encoder = HashEncoder()
    assert sum(counts["embedded"] for counts in embed(runs, planned, encoder)) == 50
    assert len(encoder.texts) == len(set(encoder.texts)) == 50
    chunks = {chunk["content_sha256"]: chunk["text"] for chunk in runs.chunks()}
    found = store.lookup(runs.oss, runs.corpus, CARD.version, CARD.dims, [*chunks, "00" * 32])
    assert found.num_rows == 50
    for row in found.to_pylist():
        assert np.allclose(row["embedding"], vector(chunks[row["content_sha256"]]))
    assert (plan(runs)["missing"], plan(runs)["present"]) == (0, 50)


def test_only_the_texts_that_are_missing_are_embedded_after_a_change(runs: Runs) -> None:
    filled(runs, 30)
    embed(runs, plan(runs), HashEncoder())
    runs.put({"new.txt": "a new text", "same.jsonl": '{"_id": "again", "text": "text 3"}'})
    runs.run(partition="2026-11-21")
    planned = plan(runs, partition="2026-11-21")
    assert (planned["missing"], planned["present"]) == (1, 1)
    other = CARD.model_copy(update={"version": "hashes-2"})
    assert plan(runs, model=other)["missing"] == 31


def test_a_killed_group_goes_on_where_it_stopped(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards, "PART_TEXTS", 16)
    filled(runs, 64)
    planned = plan(runs)
    with pytest.raises(KeyboardInterrupt):
        embed(runs, planned, HashEncoder(stop_after=2))
    second = HashEncoder()
    assert embed(runs, planned, second) == [{"embedded": 32, "present": 32}]
    assert len(second.texts) == 32
    assert plan(runs)["missing"] == 0
    hashes = [chunk["content_sha256"] for chunk in runs.chunks()]
    assert store.lookup(runs.oss, runs.corpus, CARD.version, CARD.dims, hashes).num_rows == 64


def test_repeating_a_group_and_two_runs_at_once_leave_one_vector_a_text(runs: Runs) -> None:
    filled(runs, 10)
    first, second = plan(runs), plan(runs)
    for planned in (first, first, second):
        embed(runs, planned, HashEncoder())
    hashes = [chunk["content_sha256"] for chunk in runs.chunks()]
    assert store.lookup(runs.oss, runs.corpus, CARD.version, CARD.dims, hashes).num_rows == 10


def test_an_encoder_of_other_dimensions_than_the_model_is_refused(runs: Runs) -> None:
    filled(runs, 1)
    planned = plan(runs)
    with pytest.raises(Terminal, match="vectors of 4 numbers, model 'hashes-1' of 8"):
        embed(runs, planned, HashEncoder(dims=4))
    with pytest.raises(Terminal, match="no group 7"):
        shards.embed_group(runs.oss, plan=planned["plan"], group=7, encoder=HashEncoder())
