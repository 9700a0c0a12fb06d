"""What the judge sees is what users get: the same documents in the same order as through the query API."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from fastapi.testclient import TestClient

from searchloom.cloud.oss import Oss
from searchloom.engines.interface import Access
from searchloom.evaluation import shadow
from searchloom.evaluation.collection import Collection
from searchloom.evaluation.evaluate import Mode, evaluate
from searchloom.evaluation.metrics import per_query
from searchloom.evaluation.runs import Answer, Found
from searchloom.evaluation.shadow import Rerank, Side, collect, embed, rankings
from searchloom.release import registry
from searchloom.release.document import Fusion
from searchloom.settings import ENGINES, EngineName, Settings
from tests.query import collection, tiny_embedding

QUERIES = {
    "join": "join two tables on a key column ",
    "load": "load columns of a parquet file",
    "zh": "合并 表格",
    "none": "zebra",
    "quoted": 'load a "parquet table"',
    "markup": "a <em>table</em> & more",
}
JUDGED = Collection(
    QUERIES,
    {
        "join": {document.id: 1 for document in collection.DOCUMENTS if document.name in {"merge", "concat"}},
        "load": {document.id: 2 for document in collection.DOCUMENTS if document.name == "parquet"},
        "zh": {document.id: 1 for document in collection.DOCUMENTS if document.name == "zh"},
    },
)


def encode(texts: Sequence[str]) -> np.ndarray:
    return tiny_embedding.encode(list(texts))


@pytest.mark.parametrize("engine", ENGINES)
def test_the_shadow_of_the_live_release_has_the_figures_of_the_query_api(
    served: Settings, client: TestClient, engine: EngineName
) -> None:
    def search(query: str, on: EngineName, mode: Mode) -> Answer:
        body = {"query": query, "corpus": collection.CORPUS, "engine": on, "mode": mode, "k": 100, "highlight": False}
        answer = client.post("/v1/search", json=body).json()
        assert (answer["degraded"], answer["engine"]) == ([], on)
        return [Found(row["doc_id"], row["source_id"], row["score"]) for row in answer["results"]]

    shown = evaluate(JUDGED, search, engines=[engine], modes=["vector", "hybrid"])[engine]
    live = registry.current(Oss(served.oss), collection.CORPUS)
    assert live is not None
    vectors = embed(QUERIES, encode)
    found = collect(served, engine, live.generation[engine], QUERIES, vectors, access=Access("default"))
    ranked = rankings(Side(live.fusion), found)
    for mode, mine in (("hybrid", ranked.served), ("vector", ranked.vector)):
        assert mine == {query: [one.doc_id for one in answer] for query, answer in shown[mode].answers.items()}
        assert per_query(JUDGED.qrels, mine) == shown[mode].values


def test_a_reranker_reads_the_text_as_it_is_embedded_and_each_pair_once(served: Settings) -> None:
    live = registry.current(Oss(served.oss), collection.CORPUS)
    assert live is not None
    read: list[tuple[str, str]] = []

    def score(query: str, passages: Sequence[str]) -> list[float]:
        read.extend((query, passage) for passage in passages)
        return [-float(len(passage)) for passage in passages]

    rerank = Rerank(score, 1.0, 3)
    queries = {"join": QUERIES["join"]}
    for engine in ENGINES:
        found = collect(
            served, engine, live.generation[engine], queries, embed(queries, encode),
            access=Access("default"), texts=True,
        )  # fmt: skip
        ranked = shadow.rank(found["join"], Fusion(), rerank)
        heads = [len(one.hit.source["text"]) for one in ranked[:3]]
        assert heads == sorted(heads)
        assert rankings(Side(Fusion(), rerank), found).served["join"] == [one.doc_id for one in ranked]
    assert "DataFrame.merge\nMerge two tables with a database-style join on a key column." in [text for _, text in read]
    assert len(read) == len(set(read)) == 3
    assert len(rerank.took_ms) == 1
