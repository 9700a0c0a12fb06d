"""Training sets of small corpora, from a real store and a real engine."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from searchloom import schemas
from searchloom.corpus import chunks
from searchloom.embedding import store
from searchloom.embedding.card import ModelCard
from searchloom.engines import connect
from searchloom.engines.interface import GenerationMeta
from searchloom.engines.load import load
from searchloom.errors import NotFound, Terminal, UsageError
from searchloom.settings import Settings, Training
from searchloom.training import splits, training_set
from searchloom.training.build import build
from searchloom.training.training_set import TrainingSet, judged_queries
from tests.corpus.runs import Runs
from tests.query.tiny_embedding import DIMS, VERSION, encode

MODEL = ModelCard(
    version=VERSION, base="tests", dims=DIMS, max_tokens=256, created=datetime(2026, 1, 1, tzinfo=UTC), fingerprint="f"
)
PARTS = ("wing", "nozzle", "blade", "plate", "shell", "duct", "rotor", "flap", "cone", "cylinder")
FIELDS = ("pressure", "heating", "flutter", "drag", "buckling", "noise", "creep", "mixing", "stall", "ablation")


class Tiny:
    """Words hashed to dimensions."""

    dims = DIMS

    def encode(self, texts: list[str], progress: Any = None) -> np.ndarray:  # noqa: ARG002  as the protocol has it
        """Return the vectors of texts."""
        return encode(list(texts))


def documents() -> list[dict[str, str]]:
    return [
        {
            "_id": f"{part}-{what}",
            "title": f"{what} of the {part}",
            "text": f"Tests in tunnel {number} show how the {part} behaves when {what} grows. "
            f"It was measured at {number * 37 % 91} stations with instrument {number * 7919} by team {part[::-1]}. "
            f"Results for {what} agree with theory number {number * 31 % 77} to within a few per cent.",
        }
        for number, (part, what) in enumerate((part, what) for part in PARTS for what in FIELDS)
    ]


def doc(corpus: str, name: str) -> str:
    return schemas.doc_id(corpus, "docs.jsonl", name)


def judge(runs: Runs, split: str, rows: list[tuple[str, str, str, int]]) -> None:
    """Write judgments of (query id, query, document, grade)."""
    table = pa.Table.from_pylist(
        [
            {"query_id": one, "query": query, "doc_id": doc(runs.corpus, name), "grade": grade, "source": "human",
             "time": datetime(2026, 1, 1, tzinfo=UTC)}
            for one, query, name, grade in rows
        ],
        schema=schemas.JUDGMENTS,
    )  # fmt: skip
    schemas.write_table(runs.oss, schemas.judgments_key(runs.corpus, split), table, schemas.JUDGMENTS)


def embed(runs: Runs) -> None:
    for table in chunks.in_force(runs.oss, runs.corpus, runs.manifest()):
        texts = [schemas.embedding_text(row["title"], row["section"], row["text"]) for row in table.to_pylist()]
        hashes = table["content_sha256"].to_pylist()
        store.write(runs.oss, runs.corpus, VERSION, name="t", hashes=hashes, vectors=encode(texts))


@pytest.fixture
def corpus(runs: Runs) -> Runs:
    """A hundred documents with vectors, nothing judged."""
    runs.put_records("docs.jsonl", documents())
    runs.run()
    embed(runs)
    return runs


@pytest.fixture
def make(corpus: Runs) -> Callable[..., dict[str, Any]]:
    def run(**options: Any) -> dict[str, Any]:
        given = {"settings": corpus.settings, "model": MODEL, "encoder": Tiny()} | options
        return build(corpus.oss, corpus=corpus.corpus, **given)

    return run


def judged(corpus: Runs) -> None:
    """Forty train queries and ten of test; one of train nearly says what one of test does."""
    pairs = [(part, what) for part in PARTS for what in FIELDS]
    train = [
        (f"q{n}", f"how strong is {what} on a {part}", f"{part}-{what}", 2) for n, (part, what) in enumerate(pairs)
    ]
    train = train[::2][:40]
    test = [(f"t{n}", f"what causes {what} at the {part}", f"{part}-{what}", 1) for n, (part, what) in enumerate(pairs)]
    train.append(("leak", test[1][1].upper() + "??", test[1][2], 1))
    train += [("q0", train[0][1], "rotor-noise", 1), ("q0", train[0][1], "cone-creep", 0)]
    judge(corpus, "train", train)
    judge(corpus, "test", test[1::10])


def assert_nothing_leaks(found: TrainingSet, *, test_queries: list[str]) -> None:
    pairs = found.pairs.to_pylist()
    queries = [row["query"] for row in pairs]
    heldout, dev = found.heldout.to_pylist(), found.dev.to_pylist()
    for others in (test_queries, [row["query"] for row in heldout], [row["query"] for row in dev]):
        assert splits.near(queries, others) == set()
    reserved = {row["doc_id"] for row in (*heldout, *dev) if row["source"] == "synthetic"}
    hidden = {schemas.chunk_id(doc_id, ordinal) for doc_id in reserved for ordinal in range(5)}
    for row in pairs:
        assert row["doc_id"] not in reserved
        assert hidden.isdisjoint(row["negative_ids"])
        assert row["chunk_id"] not in row["negative_ids"]
    assert {row["query_id"] for row in dev}.isdisjoint(row["query_id"] for row in pairs)
    assert found.trained_on() == {row["doc_id"] for row in pairs}


def read(corpus: Runs, answer: dict[str, Any]) -> TrainingSet:
    return training_set.read(corpus.oss, corpus.corpus, answer["fingerprint"])


def test_a_corpus_without_judgments_trains_on_itself(corpus: Runs, make: Callable[..., dict[str, Any]]):
    answer = make()
    found = read(corpus, answer)
    assert set(answer["pairs"]) == {"corpus"}
    assert len(found.heldout) == 10
    assert set(found.dev["source"].to_pylist()) == {"synthetic"}
    assert answer["documents"]["trained"] == 100 - len(found.heldout) - len(found.dev)
    assert_nothing_leaks(found, test_queries=[])


def test_judgments_are_split_and_nothing_leaks(corpus: Runs, make: Callable[..., dict[str, Any]]):
    judged(corpus)
    answer = make()
    found = read(corpus, answer)
    test = [row["query"] for row in schemas.read_table(
        corpus.oss, schemas.judgments_key(corpus.corpus, "test"), schemas.JUDGMENTS
    ).to_pylist()]  # fmt: skip
    assert_nothing_leaks(found, test_queries=test)
    assert answer["left_out"]["asked in test"] >= 1
    assert "leak" not in found.pairs["query_id"].to_pylist()
    human = [row for row in found.dev.to_pylist() if row["source"] == "human"]
    assert len({row["query_id"] for row in human}) == 8
    weights = {row["doc_id"]: row["weight"] for row in found.pairs.to_pylist() if row["query_id"] == "q0"}
    assert not weights or weights[doc(corpus.corpus, "wing-pressure")] == 2 * weights[doc(corpus.corpus, "rotor-noise")]


def test_every_judged_dev_answer_is_in_the_pool(corpus: Runs, make: Callable[..., dict[str, Any]]):
    judged(corpus)
    found = read(corpus, make())
    _, grades = judged_queries(found.dev)
    pool = set(found.dev_pool["doc_id"].to_pylist())
    assert all(doc_id in pool for documents_ in grades.values() for doc_id in documents_)


def test_the_same_inputs_give_the_same_set_and_no_work(corpus: Runs, make: Callable[..., dict[str, Any]]):
    first = make()
    keys = {info.key: info.etag for info in corpus.oss.list(first["prefix"])}
    again = make()
    assert (first["built"], again["built"]) == (True, False)
    assert again | {"built": True} == first
    corpus.oss.delete_many(list(keys))
    assert make()["built"]
    rebuilt = {info.key: info.etag for info in corpus.oss.list(first["prefix"])}
    card = f"{first['prefix']}card.json"
    assert {key: etag for key, etag in rebuilt.items() if key != card} == {k: e for k, e in keys.items() if k != card}


def test_what_goes_in_decides_the_fingerprint(corpus: Runs, make: Callable[..., dict[str, Any]]):
    found = [make()["fingerprint"], make(seed=8)["fingerprint"], make(max_pairs=5)["fingerprint"]]
    judged(corpus)
    found.append(make()["fingerprint"])
    corpus.oss.put("events/dt=2026-11-01/a.jsonl", b"{}\n")
    found.append(make()["fingerprint"])
    corpus.oss.delete("events/dt=2026-11-01/a.jsonl")
    assert len(set(found)) == 5
    assert make()["fingerprint"] == found[3]


def test_a_build_that_was_killed_is_done_again(corpus: Runs, make: Callable[..., dict[str, Any]]):
    answer = make()
    corpus.oss.delete(f"{answer['prefix']}card.json")
    with pytest.raises(NotFound, match="no training set"):
        read(corpus, answer)
    assert make()["built"]
    assert read(corpus, answer).card.fingerprint == answer["fingerprint"]


def test_files_that_are_not_those_of_the_card_are_refused(corpus: Runs, make: Callable[..., dict[str, Any]]):
    answer = make()
    other = make(seed=8)
    corpus.oss.put(f"{answer['prefix']}pairs.parquet", corpus.oss.get(f"{other['prefix']}pairs.parquet"))
    with pytest.raises(Terminal, match=r"pairs\.parquet is not the file"):
        read(corpus, answer)


def test_max_pairs_holds_and_judged_pairs_take_two_thirds(corpus: Runs, make: Callable[..., dict[str, Any]]):
    judged(corpus)
    answer = make(max_pairs=30)
    assert answer["pairs"] == {"corpus": 10, "human": 20}
    assert answer["left_out"]["over max_pairs"] > 0


def test_clicks_become_pairs_and_the_newest_queries_dev(corpus: Runs, make: Callable[..., dict[str, Any]]):
    lines = [
        {
            "event_id": f"{corpus.corpus}-{number}-{user}", "time": f"2026-10-{number + 1:02}T00:00:00+00:00",
            "user_id": user, "type": "click", "item_id": doc(corpus.corpus, f"{part}-noise"), "position": 1,
            "query": f"{part} too loud {number * 7919}",
        }
        for number, part in enumerate(PARTS) for user in ("ann", "bob")
    ]  # fmt: skip
    corpus.oss.put("events/dt=2026-10-10/c.jsonl", "\n".join(map(json.dumps, lines)).encode())
    answer = make()
    corpus.oss.delete("events/dt=2026-10-10/c.jsonl")
    found = read(corpus, answer)
    dev = {row["query"] for row in found.dev.to_pylist() if row["source"] == "click"}
    assert dev == {"cylinder too loud 71271", "cone too loud 63352"}
    assert answer["pairs"]["click"] == 8
    assert_nothing_leaks(found, test_queries=[])


def test_what_came_later_is_left_out_of_a_set_as_of_a_day(corpus: Runs, make: Callable[..., dict[str, Any]]):
    judged(corpus)
    answer = make(before=datetime(2025, 12, 31, tzinfo=UTC))
    assert set(answer["pairs"]) == {"corpus"}


def test_a_large_corpus_is_sampled_and_keeps_what_is_judged(corpus: Runs, make: Callable[..., dict[str, Any]]):
    judged(corpus)
    small = corpus.settings.model_copy(update={"training": Training().model_copy(update={"mining_chunks": 60})})
    answer = make(settings=small)
    assert answer["documents"]["in_force"] == 100
    assert answer["documents"]["read"] == 60
    assert answer["pairs"]["human"] >= 28
    assert_nothing_leaks(read(corpus, answer), test_queries=[])


def test_an_empty_corpus_and_the_wrong_model_are_refused(runs: Runs, make: Callable[..., dict[str, Any]]):
    with pytest.raises(UsageError, match="no documents to train on"):
        build(runs.oss, corpus="nothing", settings=runs.settings, model=MODEL, encoder=Tiny())
    with pytest.raises(Terminal, match="64 numbers"):
        make(model=MODEL.model_copy(update={"dims": 3}))


@pytest.mark.slow
def test_bm25_of_a_live_engine_finds_negatives(corpus: Runs, settings: Settings, make: Callable[..., dict[str, Any]]):
    judged(corpus)
    index = f"t-{uuid.uuid4().hex[:8]}"
    both = corpus.settings.model_copy(update={"opensearch": settings.opensearch})
    side = connect.loader(both, "opensearch")
    side.create(index, GenerationMeta(corpus.corpus, VERSION, DIMS))
    try:
        load(corpus.oss, side, corpus=corpus.corpus, index=index, embedding_version=VERSION)
        side.refresh(index)
        answer = make(settings=both, engine="opensearch", index=index)
    finally:
        side.drop(index)
        side.close()
    assert answer["negatives"]["bm25"] > answer["negatives"].get("random", 0)
    assert_nothing_leaks(read(corpus, answer), test_queries=[])
