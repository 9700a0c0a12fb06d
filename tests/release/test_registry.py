"""Which release serves: in both engines and in the pointer, or in none of them."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from searchloom.cloud.oss import Oss
from searchloom.engines.connect import loader as connect
from searchloom.engines.interface import GenerationMeta, Loader
from searchloom.errors import NotFound, ServiceUnavailable, Terminal
from searchloom.release import registry
from searchloom.release.document import (
    EmbeddingModel,
    Fusion,
    Release,
    alias_name,
    current_key,
    index_name,
    release_key,
)
from searchloom.settings import ENGINES, EngineName, Settings
from searchloom.settings import Oss as OssSettings

MODEL = EmbeddingModel(version="model-1", dims=4)
Loaders = dict[EngineName, Loader]
Publish = Callable[..., Release]


@pytest.fixture
def loaders(settings: Settings) -> Iterator[Loaders]:
    connected = {engine: connect(settings, engine) for engine in ENGINES}
    yield connected
    for loader in connected.values():
        loader.close()


@pytest.fixture
def corpus(loaders: Loaders) -> Iterator[str]:
    """Name of a corpus with two generations in both engines."""
    name = f"hd-{uuid.uuid4().hex[:8]}"
    for loader in loaders.values():
        for number in (1, 2):
            loader.create(index_name(name, number), GenerationMeta(name, MODEL.version, MODEL.dims))
    yield name
    for loader in loaders.values():
        for number in (1, 2):
            loader.drop(index_name(name, number))


@pytest.fixture
def publish(oss: Oss, loaders: Loaders, corpus: str) -> Publish:
    def call(number: int, **other: Any) -> Release:
        generation = dict.fromkeys(ENGINES, index_name(corpus, number))
        arguments = {"embedding": MODEL, "generation": generation, "fusion": Fusion(), "created_by": "tests"} | other
        return registry.publish(oss, loaders, corpus=corpus, **arguments)

    return call


def targets(loaders: Loaders, corpus: str) -> list[str | None]:
    return [loader.alias_target(alias_name(corpus)) for loader in loaders.values()]


def test_before_the_first_release_there_is_none(oss: Oss, corpus: str) -> None:
    assert registry.current(oss, corpus) is None
    assert registry.numbers(oss, corpus) == []
    with pytest.raises(NotFound, match="there are: none"):
        registry.get(oss, corpus, 1)


def test_a_release_serves_in_both_engines_and_in_the_pointer(
    oss: Oss, loaders: Loaders, corpus: str, publish: Publish
) -> None:
    first = publish(1)
    assert (first.number, registry.current(oss, corpus)) == (1, first)
    assert targets(loaders, corpus) == [index_name(corpus, 1)] * 2
    second = publish(2)
    assert (second.number, registry.current(oss, corpus)) == (2, second)
    assert targets(loaders, corpus) == [index_name(corpus, 2)] * 2
    assert registry.numbers(oss, corpus) == [1, 2]
    assert registry.get(oss, corpus, 1) == first


def test_publishing_the_same_again_makes_no_new_release(oss: Oss, corpus: str, publish: Publish) -> None:
    assert publish(1) == publish(1)
    assert registry.numbers(oss, corpus) == [1]


def test_the_release_before_is_one_promotion_away(oss: Oss, loaders: Loaders, corpus: str, publish: Publish) -> None:
    first = publish(1)
    publish(2)
    assert registry.promote(oss, loaders, corpus=corpus, number=1) == first
    assert registry.current(oss, corpus) == first
    assert targets(loaders, corpus) == [index_name(corpus, 1)] * 2


def test_a_publication_that_broke_off_is_taken_up_again(
    oss: Oss, loaders: Loaders, corpus: str, publish: Publish
) -> None:
    first = publish(1)
    oss.delete(current_key(corpus))  # as if the process had died right before the last step
    for loader in loaders.values():
        loader.point_alias(alias_name(corpus), None)
    assert publish(1) == first
    assert registry.current(oss, corpus) == first
    assert targets(loaders, corpus) == [index_name(corpus, 1)] * 2


@pytest.mark.parametrize("before", [None, 1])
def test_a_failure_on_the_way_puts_the_aliases_back(
    oss: Oss, store_settings: OssSettings, loaders: Loaders, corpus: str, publish: Publish, before: int | None
) -> None:
    if before:
        publish(before)
    there = targets(loaders, corpus)

    class Broken(Oss):
        def put_json(self, key: str, document: Any, **options: Any) -> str:
            if key == current_key(corpus):
                raise ServiceUnavailable("the object store has just gone away")
            return super().put_json(key, document, **options)

    broken = Broken(store_settings.model_copy(update={"bucket": oss.bucket_name}))
    with pytest.raises(ServiceUnavailable):
        registry.publish(
            broken,
            loaders,
            corpus=corpus,
            embedding=MODEL,
            generation=dict.fromkeys(ENGINES, index_name(corpus, 2)),
            fusion=Fusion(),
            created_by="tests",
        )
    assert targets(loaders, corpus) == there
    current = registry.current(oss, corpus)
    assert (current.number if current else None) == before


def test_a_release_of_a_missing_or_foreign_index_is_never_published(
    oss: Oss, loaders: Loaders, corpus: str, publish: Publish
) -> None:
    with pytest.raises(Terminal, match="does not have; load it first"):
        publish(3)
    with pytest.raises(Terminal, match="build a generation with 'model-2'"):
        publish(1, embedding=EmbeddingModel(version="model-2", dims=4))
    assert registry.numbers(oss, corpus) == []
    assert targets(loaders, corpus) == [None, None]


def test_a_written_release_never_changes(oss: Oss, corpus: str, publish: Publish) -> None:
    first = publish(1)
    publish(1, fusion=Fusion(vector_weight=0.3))
    assert registry.get(oss, corpus, 1) == first
    assert oss.exists(release_key(corpus, 2))
