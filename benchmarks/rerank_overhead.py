"""What the query module's way to a reranker costs over the bare model: 50 passages, both in turn, in the same run.

    .venv/bin/python -m benchmarks.rerank_overhead [--model FOLDER --version V] [--passages 50] [--rounds 20]

The way is the query module's: its client, HTTP, the process that PAI-EAS would run (``searchloom.inference``), batching
and JSON. The bare model is the same folder in this process, on as many threads. Passages are docstrings of networkx.
Without ``--model`` two are measured whose weights are as they come: a cross-encoder with a head drawn by chance, and a
bi-encoder read token by token; time can be measured with these, not quality. At last the module's way is asked the
last batch's passages again with other queries: a bi-encoder remembers them. Written to
``benchmarks/results/rerank_overhead.json``.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from tests.engines import reranker_service

from searchloom.corpus.docstrings import symbols
from searchloom.embedding.reranker import Reranker
from searchloom.identity import embedding_text
from searchloom.query.deadline import Deadline
from searchloom.query.model_services import ModelServices
from searchloom.release import document
from searchloom.settings import Settings

RESULTS = Path(__file__).parent / "results" / "rerank_overhead.json"
THREADS = 1


def batches(passages: int, rounds: int) -> list[tuple[str, list[str]]]:
    """Return a query and its passages for each round, others every time."""
    root = Path(next(path for path in sys.path if path.endswith("site-packages")))
    found = sorted(symbols("networkx", root / "networkx"), key=lambda symbol: symbol.body)
    texts = [embedding_text(one.title, "", one.body[:1200]) for one in found]
    return [
        (found[turn].summary, [texts[(turn * passages + place) % len(texts)] for place in range(passages)])
        for turn in range(rounds)
    ]


async def measured(folder: Path, version: str, asked: list[tuple[str, list[str]]]) -> dict[str, Any]:
    """Score every batch on both ways, in turn; milliseconds of each, and how far the scores lie apart."""
    card = json.loads((folder / "card.json").read_text(encoding="utf-8"))
    bare = Reranker(folder, card["max_tokens"], THREADS)
    times: dict[str, list[float]] = {"query module": [], "bare model": []}
    apart = 0.0
    with reranker_service.served(folder, version, threads=THREADS) as url:
        services = ModelServices(Settings())
        model = document.Reranker(version=version, service=url, weight=1.0, max_tokens=card["max_tokens"])
        for turn, (query, passages) in enumerate([asked[0], *asked]):
            started = time.perf_counter()
            served = await services.rerank(query, passages, model, Deadline.after(120))
            between = time.perf_counter()
            alone = bare.score([(query, passage) for passage in passages])
            ended = time.perf_counter()
            if turn:  # the first one warms both
                times["query module"].append(1000 * (between - started))
                times["bare model"].append(1000 * (ended - between))
            apart = max(apart, float(np.abs(np.array(served) - alone).max()))
        times["query module, the same passages again"] = []
        for query, _ in asked:
            started = time.perf_counter()
            await services.rerank(query, asked[-1][1], model, Deadline.after(120))
            times["query module, the same passages again"].append(1000 * (time.perf_counter() - started))
        await services.close()
    middle = {name: float(np.median(found)) for name, found in times.items()}
    return {
        "p50_ms": {name: round(value, 1) for name, value in middle.items()},
        "p95_ms": {name: round(float(np.percentile(found, 95)), 1) for name, found in times.items()},
        "ratio_of_p50": round(middle["query module"] / middle["bare model"], 3),
        "scores_apart": apart,
    }


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--version", default="")
    parser.add_argument("--passages", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=20)
    told = parser.parse_args()
    asked = batches(told.passages, told.rounds)
    with tempfile.TemporaryDirectory() as scratch:
        folders = {told.version: told.model} if told.model else {}
        for form in () if told.model else ("cross", "late"):
            folders[form] = Path(scratch) / form
            reranker_service.make(folders[form], form, late=form == "late")
        rows = {version: asyncio.run(measured(folder, version, asked)) for version, folder in folders.items()}
    result = {
        "passages": told.passages, "rounds": told.rounds, "threads": THREADS,
        "load_average": round(psutil.getloadavg()[0], 1), "models": rows,
    }  # fmt: skip
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
