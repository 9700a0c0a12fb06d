"""One reranker, four ways to it: as the query module calls it, from within either engine, and in this process.

    .venv/bin/python -m benchmarks.rerank COLLECTION [--model FOLDER --version V] [--queries N] [--depth N]

COLLECTION is a folder of a judged collection (corpus.jsonl.gz, queries.jsonl.gz, qrels/test.tsv.gz). The model is one
that training published, or, without ``--model``, one of random weights: order and time can be compared with that, not
quality. Both engines are started with what calling models takes (fetched once, 1.4 GB) and Elasticsearch's trial
licence. For each query every way is taken in turn, over the same hits of BM25; written to
``benchmarks/results/rerank.json``.
"""

from __future__ import annotations

import argparse
import gzip
import json
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil
from pydantic import SecretStr
from tests.engine_servers import engines
from tests.engines import reranker_service
from tests.engines.chunks import DIMS, index

from searchloom.embedding.reranker import Reranker
from searchloom.engines import connect
from searchloom.engines.interface import Access, GenerationMeta
from searchloom.engines.lexical import lexical_query
from searchloom.engines.reranking import RerankedSearch, of_service
from searchloom.evaluation.metrics import per_query
from searchloom.release import wire
from searchloom.schemas import embedding_text
from searchloom.settings import ENGINES, Engine, EngineName, Settings

RESULTS = Path(__file__).parent / "results" / "rerank.json"
INDEX = "benchmark-rerank"
TOKEN = SecretStr("")
THREADS = 1

Hit = dict[str, Any]
Way = Callable[[str], list[str]]
"""From a query to the ids of documents, best first."""


def records(path: Path) -> list[dict[str, Any]]:
    """Read a file of JSON lines."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def judged(folder: Path, most: int) -> tuple[dict[str, str], dict[str, dict[str, int]]]:
    """Read the test queries, the first ``most`` of them, and their judgments."""
    qrels: dict[str, dict[str, int]] = {}
    with gzip.open(folder / "qrels" / "test.tsv.gz", "rt", encoding="utf-8") as file:
        for query, document, grade in (line.rstrip("\n").split("\t") for line in list(file)[1:]):
            qrels.setdefault(query, {})[document] = int(grade)
    kept = list(qrels)[:most]
    texts = {record["_id"]: record["text"] for record in records(folder / "queries.jsonl.gz")}
    return {query: texts[query] for query in kept}, {query: qrels[query] for query in kept}


def load(settings: Settings, name: EngineName, documents: Iterable[dict[str, Any]]) -> None:
    """Write every document as one chunk; the vectors do not matter here."""
    loader = connect.loader(settings, name)
    loader.create(INDEX, GenerationMeta("benchmark", "none", DIMS))
    writes = [index(one["_id"], title=one.get("title", ""), text=one["text"]) for one in documents]
    refused = [outcome for outcome in loader.write(INDEX, writes) if outcome.status != "written"]
    if refused:
        raise SystemExit(f"{name} refused {len(refused)} documents: {refused[0].reason}")
    loader.refresh(INDEX)
    loader.close()


def passage(hit: Hit) -> str:
    """Return the text that every reranker reads."""
    return embedding_text(hit["_source"]["title"], hit["_source"]["section"], hit["_source"]["text"])


def ordered(hits: list[Hit], scores: Iterable[float]) -> list[str]:
    """Put the hits in the order of the scores."""
    ranked = sorted(zip(scores, hits, strict=True), key=lambda pair: -pair[0])
    return [hit["_source"]["source_id"] for _, hit in ranked]


def ways(settings: Settings, url: str, version: str, model: Reranker, depth: int) -> dict[str, Way]:
    """Return every way to a reranked list of documents, by its name."""
    client = httpx.Client(timeout=120, trust_env=False)
    found: dict[str, Way] = {}
    for name in ENGINES:
        engine = connect.reranker(settings, name)
        identifier = engine.register(of_service(url, version, TOKEN))
        engine.prepare(INDEX)

        def plain(query: str, engine: Any = engine) -> list[Hit]:
            body = {
                "size": depth,
                "query": lexical_query(query, Access("default")),
                "_source": {"excludes": ["embedding"]},
            }
            hits: list[Hit] = engine.hits(INDEX, RerankedSearch(body, {}))
            return hits

        def bm25(query: str, plain: Any = plain) -> list[str]:
            return [hit["_source"]["source_id"] for hit in plain(query)]

        def called(query: str, plain: Any = plain) -> list[str]:
            hits = plain(query)
            body = {"query": query, "passages": [passage(hit) for hit in hits], "version": version}
            answer = client.post(url + wire.RERANK_PATH, json=body).raise_for_status().json()
            return ordered(hits, answer["scores"])

        def inside(query: str, engine: Any = engine, identifier: str = identifier) -> list[str]:
            search = engine.search(identifier, lexical_query(query, Access("default")), query, depth=depth)
            return [hit["_source"]["source_id"] for hit in engine.hits(INDEX, search)]

        def process(query: str, plain: Any = plain) -> list[str]:
            hits = plain(query)
            return ordered(hits, model.score([(query, passage(hit)) for hit in hits]).tolist())

        found |= {f"{name}, BM25": bm25, f"{name}, called": called, f"{name}, inside": inside}
        if name == "opensearch":
            found["in this process"] = process
    return found


def measured(
    routes: dict[str, Way], queries: dict[str, str], qrels: dict[str, dict[str, int]]
) -> dict[str, dict[str, float]]:
    """Ask every query on every way, in turn; nDCG@10, milliseconds, and how often the list is that of the call."""
    rankings: dict[str, dict[str, list[str]]] = {name: {} for name in routes}
    times: dict[str, list[float]] = {name: [] for name in routes}
    for way in routes.values():
        way(next(iter(queries.values())))  # warm
    for query_id, query in queries.items():
        for name, way in routes.items():
            started = time.perf_counter()
            rankings[name][query_id] = way(query)
            times[name].append(1000 * (time.perf_counter() - started))
    rows = {}
    for name, found in rankings.items():
        call = rankings[f"{name.partition(',')[0]}, called" if "," in name else "opensearch, called"]
        rows[name] = {
            "ndcg@10": round(float(np.mean(list(per_query(qrels, found)["ndcg@10"].values()))), 4),
            "p50_ms": round(float(np.percentile(times[name], 50)), 1),
            "p95_ms": round(float(np.percentile(times[name], 95)), 1),
            "same_order_as_called": round(sum(found[one] == call[one] for one in found) / len(found), 3),
        }
    return rows


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("collection", type=Path)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--version", default="random")
    parser.add_argument("--queries", type=int, default=100)
    parser.add_argument("--depth", type=int, default=20)
    told = parser.parse_args()
    queries, qrels = judged(told.collection, told.queries)
    documents = [one for one in records(told.collection / "corpus.jsonl.gz") if one["text"].strip()]
    with tempfile.TemporaryDirectory() as scratch:
        folder = told.model or Path(scratch) / "model"
        if told.model is None:
            reranker_service.make(folder, told.version)
        card = json.loads((folder / "card.json").read_text(encoding="utf-8"))
        with reranker_service.served(folder, told.version, threads=THREADS) as url, engines(inference=True) as servers:
            urls = servers.urls
            settings = Settings(
                opensearch=Engine(url=urls["opensearch"]), elasticsearch=Engine(url=urls["elasticsearch"])
            )
            trial = f"{urls['elasticsearch']}/_license/start_trial?acknowledge=true"
            httpx.post(trial, timeout=60, trust_env=False).raise_for_status()
            for name in ENGINES:
                load(settings, name, documents)
            model = Reranker(folder, card["max_tokens"], THREADS)
            rows = measured(ways(settings, url, told.version, model, told.depth), queries, qrels)
    result = {
        "collection": told.collection.resolve().name, "model": told.version, "documents": len(documents),
        "queries": len(queries), "depth": told.depth, "load_average": round(psutil.getloadavg()[0], 1), "ways": rows,
    }  # fmt: skip
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
