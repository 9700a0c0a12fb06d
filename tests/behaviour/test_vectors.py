"""Features follow the live release's model: sent when the vectors are there, and all anew with another model."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np

from searchloom.embedding import store
from searchloom.release.document import EmbeddingModel, Release, current_key, release_key
from searchloom.settings import ENGINES
from tests.behaviour.world import World

DIMS = 8


def release(world: World, number: int, version: str) -> None:
    """Let a model serve."""
    made = Release(
        corpus=world.corpus,
        number=number,
        embedding=EmbeddingModel(version=version, dims=DIMS),
        generation=dict.fromkeys(ENGINES, f"searchloom-{world.corpus}-{number}"),
        created=datetime.now(UTC),
        created_by="tests",
    )
    world.oss.put(release_key(world.corpus, number), made.model_dump_json().encode())
    world.oss.put_json(current_key(world.corpus), {"release": number, "before": None})


def embed(world: World, version: str, count: int) -> None:
    """Make vectors of the first texts."""
    hashes = sorted({row["content_sha256"] for row in world.runs.chunks()})[:count]
    vectors = np.random.default_rng(1).standard_normal((len(hashes), DIMS)).astype(np.float32)
    store.write(world.oss, world.corpus, version, name="t", hashes=hashes, vectors=vectors)


def test_features_come_with_the_vectors_and_change_with_the_model(world: World) -> None:
    documents = world.documents(3)
    assert world.sync()["tables"]["item"]["wanted"] == 3
    release(world, 1, "m1")
    embed(world, "m1", 2)
    report = world.sync()
    assert (report["tables"]["item"]["wanted"], report["counts"]["documents without vectors"]) == (3, 1)
    assert sum("features" in item for item in world.told("item").values()) == 2
    assert world.sync()["tables"]["item"]["wanted"] == 1  # it is asked for until its vectors are there
    embed(world, "m1", 3)
    world.sync()
    held = world.told("item")
    assert all(held[one]["features"].startswith("sem0x") for one in documents)
    assert world.sync()["tables"]["item"]["wanted"] == 0
    release(world, 2, "m2")
    embed(world, "m2", 3)
    assert world.sync()["tables"]["item"]["wanted"] == 3
    assert world.sync()["tables"]["item"]["wanted"] == 0
