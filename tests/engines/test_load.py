"""From a committed corpus into both engines, and the proof that it is there."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from searchloom.cloud.oss import Oss
from searchloom.engines import load as loading
from searchloom.engines.bulk import BulkLimits
from searchloom.engines.connect import wire
from searchloom.engines.dialects import dialect
from searchloom.engines.interface import GenerationMeta, Loader
from searchloom.engines.loader import EngineLoader
from searchloom.errors import ServiceUnavailable, Terminal
from searchloom.settings import Engine, EngineName
from tests.engines.chunks import DIMS, delete
from tests.engines.misbehaving_proxy import Fault, misbehaving_proxy
from tests.engines.small_corpus import MODEL, SmallCorpus

Run = Callable[[], dict[str, Any]]


@pytest.fixture
def corpus(oss: Oss) -> SmallCorpus:
    return SmallCorpus(oss)


@pytest.fixture
def load(oss: Oss, loader: Loader, generation: str) -> Run:
    return partial(loading.load, oss, loader, corpus="tests", index=generation, embedding_version=MODEL)


@pytest.fixture
def verify(oss: Oss, loader: Loader, generation: str) -> Run:
    return partial(loading.verify, oss, loader, corpus="tests", index=generation)


def counts(report: dict[str, Any]) -> dict[str, int]:
    return {what: report[what] for what in ("written", "deleted", "current", "refused", "waiting") if report[what]}


def test_every_chunk_is_written_once_and_a_second_load_writes_nothing(
    corpus: SmallCorpus, load: Run, verify: Run, loader: Loader, generation: str
) -> None:
    corpus.commit(a=3, b=2)
    corpus.commit(c=1)
    report = load()
    assert (counts(report), report["loaded_seq"]) == ({"written": 6}, 2)
    assert verify() == {"chunks": 6, "sampled": 3, "gone": 0}
    again = load()
    assert (counts(again), again["loaded_seq"]) == ({}, 2)
    assert loader.meta(generation) == GenerationMeta("tests", MODEL, DIMS, loaded_seq=2)


def test_a_changed_document_leaves_no_old_chunk_and_a_deleted_one_none_at_all(
    corpus: SmallCorpus, load: Run, verify: Run, loader: Loader, generation: str
) -> None:
    corpus.commit(shrinks=5, grows=1, goes=3, stays=2)
    load()
    corpus.commit(shrinks=2, grows=4, goes=None)
    assert counts(load()) == {"written": 6, "deleted": 6}
    assert verify() == {"chunks": 8, "sampled": 3, "gone": 2}
    versions = loader.versions(generation, [corpus.chunk_id("shrinks", n) for n in range(5)])
    assert versions == {corpus.chunk_id("shrinks", 0): 2, corpus.chunk_id("shrinks", 1): 2}


def test_many_commits_loaded_at_once_end_like_one_by_one(corpus: SmallCorpus, load: Run, verify: Run) -> None:
    corpus.commit(a=4, b=1)
    corpus.commit(a=1, b=None)
    corpus.commit(a=2, b=2)
    assert counts(load()) == {"written": 4, "current": 2}
    assert verify()["chunks"] == 4


def test_a_load_that_broke_off_goes_on_where_it_stopped(
    corpus: SmallCorpus, load: Run, verify: Run, oss: Oss, engine: EngineName, engine_settings: Engine, generation: str
) -> None:
    corpus.commit(a=6)
    with misbehaving_proxy(engine_settings.url) as proxy:
        proxy.faults.extend([Fault(), Fault(cut="after"), Fault(status=503), Fault(status=503)])
        limits = BulkLimits(items=2, attempts=3, wait_initial_s=0.01, wait_max_s=0.01)
        broken = EngineLoader(dialect(engine), wire(engine, Engine(url=proxy.url)), limits)
        with pytest.raises(ServiceUnavailable):
            loading.load(oss, broken, corpus="tests", index=generation, embedding_version=MODEL)
        broken.close()
    assert counts(load()) == {"written": 2, "current": 4}
    assert verify()["chunks"] == 6


def test_a_refused_chunk_is_written_down_and_the_rest_goes_on(
    corpus: SmallCorpus, load: Run, verify: Run, oss: Oss, loader: Loader, generation: str
) -> None:
    corpus.commit(good=2, bad={"text": "fine so far"})
    load()
    corpus.commit(good=3, bad={"mime": "x" * 40_000})
    report = load()
    assert counts(report) == {"written": 3, "refused": 1}
    assert report["dead_letters"] == f"dead_letters/tests/{loader.name}/{generation}/2.jsonl"
    (record,) = [json.loads(line) for line in oss.get(report["dead_letters"]).splitlines()]
    assert (record["chunk_id"], record["key"], record["seq"]) == (corpus.chunk_id("bad"), "bad.txt", 2)
    assert "mime" in record["reason"]
    assert loader.versions(generation, [corpus.chunk_id("bad")]) == {}, "its older text must not be found any more"
    assert verify()["chunks"] == 3
    corpus.commit(bad={"text": "mended"})
    assert counts(load()) == {"written": 1}
    assert verify()["chunks"] == 4


def test_a_document_without_vectors_waits_and_blocks_nobody(
    corpus: SmallCorpus, load: Run, verify: Run, loader: Loader, generation: str
) -> None:
    corpus.commit(early=1, late=3)
    load()
    corpus.commit(late=2, without_vectors=("late",))
    corpus.commit(other=1)
    report = load()
    assert (counts(report), report["loaded_seq"]) == ({"written": 1, "waiting": 1}, 1)
    assert loader.versions(generation, [corpus.chunk_id("late", 2)]) == {corpus.chunk_id("late", 2): 1}
    assert verify()["chunks"] == 5, "the old text of `late` serves until the new one can"
    corpus.embed(corpus.text_hash("late", 0, 2), corpus.text_hash("late", 1, 2))
    report = load()
    assert (counts(report), report["loaded_seq"]) == ({"written": 2, "deleted": 1, "current": 1}, 3)
    assert verify()["chunks"] == 4


def test_nothing_is_written_into_a_generation_of_another_model_or_corpus(
    corpus: SmallCorpus, oss: Oss, loader: Loader, generation: str
) -> None:
    corpus.commit(a=1)
    for wrong in ({"embedding_version": "model-2"}, {"corpus": "others"}):
        arguments = {"corpus": "tests", "embedding_version": MODEL} | wrong
        with pytest.raises(Terminal, match="nothing was written"):
            loading.load(oss, loader, index=generation, **arguments)
    loader.refresh(generation)
    assert loader.count(generation) == 0


def test_vectors_of_another_length_are_refused_before_anything_is_written(
    corpus: SmallCorpus, oss: Oss, loader: Loader, generation: str
) -> None:
    corpus.commit(a=1)
    index = f"{generation}-8"
    loader.create(index, GenerationMeta("tests", MODEL, 8))
    try:
        with pytest.raises(Terminal):
            loading.load(oss, loader, corpus="tests", index=index, embedding_version=MODEL)
        loader.refresh(index)
        assert loader.count(index) == 0
    finally:
        loader.drop(index)


def test_verify_names_a_lost_chunk_a_stale_one_and_one_too_many(
    corpus: SmallCorpus, load: Run, verify: Run, loader: Loader, generation: str
) -> None:
    corpus.commit(a=1, b=1)
    load()
    lost = delete("x", seq=9)
    list(loader.write(generation, [type(lost)("delete", corpus.chunk_id("a"), 9)]))
    loader.refresh(generation)
    with pytest.raises(Terminal, match="holds 1 chunks where the manifest stands for 2"):
        verify()
    corpus.commit(b=None)
    loader.set_loaded(generation, 2)  # as if the load had forgotten the delete
    with pytest.raises(Terminal, match=r"is missing, not of version 1|is still in index"):
        verify()


def test_a_lost_index_is_filled_again_from_nothing(
    corpus: SmallCorpus, load: Run, verify: Run, loader: Loader, generation: str
) -> None:
    corpus.commit(a=2, bad={"mime": "x" * 40_000})
    load()
    loader.drop(generation)
    loader.create(generation, GenerationMeta("tests", MODEL, DIMS))
    assert counts(load()) == {"written": 2, "refused": 1}
    assert verify()["chunks"] == 2
