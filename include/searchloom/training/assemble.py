"""From candidate pairs to the tables of a training set: what leaks is left out, the rest is capped and mined."""

from __future__ import annotations

import logging
import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa

from searchloom import schemas
from searchloom.settings import Training
from searchloom.training import judgments, splits
from searchloom.training.judgments import Split
from searchloom.training.negatives import Miner
from searchloom.training.pairs import Pair
from searchloom.training.passages import Passages
from searchloom.training.retrieval import Asked
from searchloom.training.splits import draw

log = logging.getLogger(__name__)

POOL = 3000
_POOL_DEPTH = 10  # of what each retriever finds for a dev query
_JUDGED_SHARE = 2 / 3  # of the pairs at most, where the corpus has some for the rest


def chosen(
    candidates: Sequence[Pair], split: Split, test_queries: frozenset[str], limits: Training
) -> tuple[list[Pair], dict[str, int]]:
    """Return the pairs that may be trained on, at most ``limits.max_pairs``, and why how many others may not."""
    watched = {
        "asked in test": sorted(test_queries),
        "asked in dev": sorted({row["query"] for row in split.dev}),
        "asked in heldout": sorted({row["query"] for row in split.heldout}),
    }
    texts = [pair.query for pair in candidates]
    why = {index: reason for reason, others in watched.items() for index in splits.near(texts, others)}
    why |= {i: "document held out" for i, pair in enumerate(candidates) if pair.doc_id in split.judged.reserved}
    kept = [pair for index, pair in enumerate(candidates) if index not in why]
    capped = _capped(kept, limits.max_pairs, limits.seed)
    left_out = Counter(why.values())
    if len(capped) < len(kept):
        left_out["over max_pairs"] = len(kept) - len(capped)
    log.info(
        "%d candidate pairs: %d taken; left out: %s",
        len(candidates), len(capped), ", ".join(f"{count} {reason}" for reason, count in left_out.items()) or "none",
    )  # fmt: skip
    return capped, dict(sorted(left_out.items()))


def asked(pairs: Sequence[Pair], split: Split, passages: Passages) -> Iterator[Asked]:
    """Yield every query of the set with the tenant whose documents are searched for it."""
    for pair in pairs:
        yield pair.query, passages.all[passages.of_document[pair.doc_id][0]].tenant
    for row in split.dev:
        yield row["query"], passages.all[passages.of_document[row["doc_id"]][0]].tenant


def tables(pairs: Sequence[Pair], split: Split, miner: Miner) -> dict[str, pa.Table]:
    """Return the tables of the set, by the names of ``training_set.FILES``."""
    rows = [_mined(pair, miner) for pair in pairs]
    sources: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        sources[row["doc_id"]].add(row["source"])
    trained = [{"doc_id": doc_id, "sources": sorted(found)} for doc_id, found in sorted(sources.items())]
    return {
        "pairs.parquet": pa.Table.from_pylist(rows, schema=schemas.TRAINING_PAIRS),
        "dev.parquet": judgments.table(split.dev),
        "dev_pool.parquet": _pool(split, miner),
        "heldout.parquet": judgments.table(split.heldout),
        "documents.parquet": pa.Table.from_pylist(trained, schema=schemas.TRAINED_DOCUMENTS),
    }


def _capped(pairs: Sequence[Pair], most: int, seed: int) -> list[Pair]:
    """Keep at most ``most`` pairs, by lot; of the corpus each document's most natural one first."""
    lot = {id(pair): draw(seed, "pair", f"{pair.query_id}\0{pair.doc_id}") for pair in pairs}
    judged = sorted((pair for pair in pairs if pair.source != "corpus"), key=lambda pair: lot[id(pair)])
    corpus = sorted((pair for pair in pairs if pair.source == "corpus"), key=lambda pair: (pair.rank, lot[id(pair)]))
    room = max(math.ceil(most * _JUDGED_SHARE), most - len(corpus))
    taken = judged[:room]
    return sorted([*taken, *corpus[: most - len(taken)]], key=lambda pair: lot[id(pair)])


def _mined(pair: Pair, miner: Miner) -> dict[str, Any]:
    place = miner.best_passage(pair.doc_id, pair.query) if pair.place is None else pair.place
    passage = miner.passages.all[place]
    negatives = [miner.passages.all[found] for found in miner.mine(pair, place)]
    return {
        "query_id": pair.query_id,
        "query": pair.query,
        "doc_id": pair.doc_id,
        "chunk_id": passage.chunk_id,
        "positive": pair.positive or passage.embedded,
        "source": pair.source,
        "weight": pair.weight,
        "negatives": [pair.shaped(negative) for negative in negatives],
        "negative_ids": [negative.chunk_id for negative in negatives],
    }


def _pool(split: Split, miner: Miner) -> pa.Table:
    """Return what dev queries rank: each judged document's best passage, what is found today, others by lot."""
    passages, found = miner.passages, miner.candidates
    places: dict[int, None] = {}
    for row in split.dev:
        places[miner.best_passage(row["doc_id"], row["query"])] = None
    for depth in range(_POOL_DEPTH):
        for query, tenant in dict.fromkeys(asked((), split, passages)):
            for candidates in (found.bm25((query, tenant)), found.nearest(query).tolist()):
                if depth < len(candidates) and len(places) < POOL:
                    places[candidates[depth]] = None
    by_lot = sorted(range(len(passages.all)), key=lambda place: draw(miner.seed, "pool", passages.all[place].chunk_id))
    for place in by_lot:
        if len(places) >= POOL:
            break
        places[place] = None
    chosen_ = [passages.all[place] for place in places]
    rows = [{"chunk_id": one.chunk_id, "doc_id": one.doc_id, "text": one.embedded} for one in chosen_]
    return pa.Table.from_pylist(rows, schema=schemas.PASSAGES)
