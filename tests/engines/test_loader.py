"""Generations, versions, counts and aliases on both engines."""

from __future__ import annotations

import pytest

from searchloom.engines.interface import GenerationMeta, Loader
from searchloom.errors import Terminal
from tests.engines.chunks import DIMS, delete, identity, index

META = GenerationMeta("tests", "model-1", DIMS)


def test_a_generation_says_of_itself_what_it_was_made_for(loader: Loader, generation: str) -> None:
    assert loader.meta(generation) == META
    assert loader.meta(f"{generation}-other") is None


def test_creating_a_generation_twice_keeps_its_data(loader: Loader, generation: str) -> None:
    list(loader.write(generation, [index("a")]))
    loader.set_loaded(generation, 7)
    loader.create(generation, META)
    assert loader.versions(generation, [identity("a")]) == {identity("a"): 1}
    assert loader.meta(generation) == GenerationMeta("tests", "model-1", DIMS, loaded_seq=7)


@pytest.mark.parametrize(
    "other",
    [
        GenerationMeta("tests", "model-2", DIMS),
        GenerationMeta("tests", "model-1", 8),
        GenerationMeta("b", "model-1", 4),
    ],
)
def test_a_generation_of_another_model_is_never_taken_over(
    loader: Loader, generation: str, other: GenerationMeta
) -> None:
    with pytest.raises(Terminal, match="take the next generation number"):
        loader.create(generation, other)


def test_dropping_twice_is_fine(loader: Loader, generation: str) -> None:
    loader.drop(generation)
    loader.drop(generation)
    assert loader.meta(generation) is None


def test_an_older_version_never_replaces_a_newer_one(loader: Loader, generation: str) -> None:
    list(loader.write(generation, [index("a", seq=5)]))
    outcomes = list(loader.write(generation, [index("a", seq=4), index("a", seq=5), index("a", seq=6)]))
    assert [outcome.status for outcome in outcomes] == ["current", "current", "written"]
    assert loader.versions(generation, [identity("a")]) == {identity("a"): 6}


def test_a_deleted_chunk_stays_deleted_when_an_older_write_comes_late(loader: Loader, generation: str) -> None:
    list(loader.write(generation, [index("a", seq=1)]))
    outcomes = list(loader.write(generation, [delete("a", seq=2), delete("never there", seq=2), index("a", seq=1)]))
    assert [outcome.status for outcome in outcomes] == ["deleted", "current", "current"]
    loader.refresh(generation)
    assert loader.count(generation) == 0
    assert loader.versions(generation, [identity("a")]) == {}


def test_versions_of_thousands_of_chunks_come_in_one_call(loader: Loader, generation: str) -> None:
    list(loader.write(generation, [index("a"), index("b", seq=3)]))
    asked = [identity(str(number)) for number in range(2500)] + [identity("a"), identity("b")]
    assert loader.versions(generation, asked) == {identity("a"): 1, identity("b"): 3}


def test_an_alias_points_at_one_index_alone(loader: Loader, generation: str) -> None:
    alias, second = f"{generation}-alias", f"{generation}-2"
    loader.create(second, META)
    try:
        assert loader.alias_target(alias) is None
        for target in (generation, second, second, None, None):
            loader.point_alias(alias, target)
            assert loader.alias_target(alias) == target
    finally:
        loader.drop(second)


def test_the_meta_is_found_through_an_alias_too(loader: Loader, generation: str) -> None:
    loader.point_alias(f"{generation}-alias", generation)
    assert loader.meta(f"{generation}-alias") == META
