"""What goes when a release is no longer needed, and what never does."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator

import pytest

from searchloom.cloud.oss import Oss
from searchloom.engines.connect import loader as connect
from searchloom.engines.interface import GenerationMeta, Loader
from searchloom.errors import Terminal, UsageError
from searchloom.release import registry
from searchloom.release.document import EmbeddingModel, Fusion, Release, Reranker, index_name
from searchloom.release.retire import discard, in_use, retire
from searchloom.settings import ENGINES, EngineName, Settings

Loaders = dict[EngineName, Loader]
Publish = Callable[[int], Release]
_GATEWAY = "http://127.0.0.1:9/api/predict"


@pytest.fixture
def loaders(settings: Settings) -> Iterator[Loaders]:
    connected = {engine: connect(settings, engine) for engine in ENGINES}
    yield connected
    for loader in connected.values():
        loader.close()


@pytest.fixture
def corpus(loaders: Loaders) -> Iterator[str]:
    name = f"hr-{uuid.uuid4().hex[:8]}"
    yield name
    for loader in loaders.values():
        for number in range(1, 6):
            loader.drop(index_name(name, number))


@pytest.fixture
def publish(oss: Oss, loaders: Loaders, corpus: str) -> Publish:
    """Create a generation of its own model and release it, with services named after it."""

    def call(number: int) -> Release:
        for loader in loaders.values():
            loader.create(index_name(corpus, number), GenerationMeta(corpus, f"model-{number}", 4))
        return registry.publish(
            oss,
            loaders,
            corpus=corpus,
            embedding=EmbeddingModel(version=f"model-{number}", dims=4, service=f"{_GATEWAY}/sl_emb_{number}"),
            generation=dict.fromkeys(ENGINES, index_name(corpus, number)),
            fusion=Fusion(),
            reranker=Reranker(version="r", service=f"{_GATEWAY}/sl_rr_{number}", weight=0.5, depth=5, max_tokens=9),
            created_by="tests",
        )

    return call


def there(loaders: Loaders, corpus: str) -> list[int]:
    return [n for n in range(1, 6) if all(one.meta(index_name(corpus, n)) for one in loaders.values())]


def services(*numbers: int) -> set[str]:
    return {f"sl_{kind}_{number}" for kind in ("emb", "rr") for number in numbers}


def test_the_live_release_and_the_one_before_stay(oss: Oss, loaders: Loaders, corpus: str, publish: Publish) -> None:
    assert [publish(number).previous for number in (1, 2, 3)] == [None, 1, 2]
    assert retire(oss, loaders, None, corpus=corpus) == {"indices": [index_name(corpus, 1)], "services": []}
    assert there(loaders, corpus) == [2, 3]
    assert in_use(oss) == services(2, 3)
    assert retire(oss, loaders, None, corpus=corpus)["indices"] == []


def test_after_a_roll_back_the_way_forward_stays_too(oss: Oss, loaders: Loaders, corpus: str, publish: Publish) -> None:
    for number in (1, 2, 3):
        publish(number)
    registry.rollback(oss, loaders, corpus=corpus)
    retire(oss, loaders, None, corpus=corpus)
    assert there(loaders, corpus) == [1, 2, 3]
    assert registry.promote(oss, loaders, corpus=corpus, number=3).number == 3
    retire(oss, loaders, None, corpus=corpus)
    assert there(loaders, corpus) == [2, 3]
    with pytest.raises(Terminal, match="does not have; load it first"):
        registry.promote(oss, loaders, corpus=corpus, number=1)
    assert registry.current(oss, corpus) == registry.get(oss, corpus, 3)


def test_the_first_release_has_nothing_before_it(oss: Oss, loaders: Loaders, corpus: str, publish: Publish) -> None:
    with pytest.raises(UsageError, match="has no release yet"):
        registry.rollback(oss, loaders, corpus=corpus)
    publish(1)
    with pytest.raises(UsageError, match="nothing before it"):
        registry.rollback(oss, loaders, corpus=corpus)


def test_what_a_refused_candidate_left_goes_but_nothing_in_use(
    oss: Oss, loaders: Loaders, corpus: str, publish: Publish
) -> None:
    for number in (1, 2):
        publish(number)
    assert registry.next_index(oss, loaders, corpus=corpus, embedding_version="own") == index_name(corpus, 3)
    for loader in loaders.values():
        loader.create(index_name(corpus, 3), GenerationMeta(corpus, "own", 4))
    assert registry.next_index(oss, loaders, corpus=corpus, embedding_version="own") == index_name(corpus, 3)
    assert registry.next_index(oss, loaders, corpus=corpus, embedding_version="other") == index_name(corpus, 4)
    gone = discard(oss, loaders, None, corpus=corpus, indices=[index_name(corpus, number) for number in (1, 2, 3)])
    assert gone["indices"] == [index_name(corpus, 3)]
    assert there(loaders, corpus) == [1, 2]
