"""What people said about answers, and how it is split: what is trained on, what is watched, what is never touched.

``train`` becomes pairs. ``dev`` is taken as it is, or carved out: of ``train`` by a hash, of clicks by time (the newest
queries). Of ``test`` only the words of its queries are read, so that none of them gets into training. Where judged dev
queries are few, known-item queries of further documents are added, and these documents are kept out of training too.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from searchloom import schemas
from searchloom.cloud.oss import Oss
from searchloom.errors import ServiceNotFound
from searchloom.training import splits
from searchloom.training.clicks import Clicked
from searchloom.training.negatives import Judged
from searchloom.training.pairs import Pair, known_item
from searchloom.training.passages import Passages
from searchloom.training.splits import draw, plain

log = logging.getLogger(__name__)

Rows = list[dict[str, Any]]
"""Rows of ``schemas.JUDGMENTS``."""

FEWEST_DEV = 50  # judged queries; with fewer, known-item queries make it ``DEV_KNOWN``
DEV_KNOWN = 100
MOST_ANSWERS = 20  # pairs of one query
_DEV_DOCUMENTS = 1500  # of the judged dev queries: their passages fit into the pool
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Sources:
    """The judgments of a corpus, as they are in OSS; ``dev`` None: it has none."""

    train: Rows
    dev: Rows | None
    test_queries: frozenset[str]


@dataclass
class Split:
    """Who is on which side."""

    train: list[Pair] = field(default_factory=list)
    dev: Rows = field(default_factory=list)
    heldout: Rows = field(default_factory=list)
    judged: Judged = field(default_factory=lambda: Judged({}, {}, set()))


def read(oss: Oss, corpus: str, *, before: datetime | None) -> Sources:
    """Read the judgments that were made before a time (None: all)."""
    train, dev = (_table(oss, schemas.judgments_key(corpus, split), before) for split in ("train", "dev"))
    try:
        test = schemas.read_table(oss, schemas.judgments_key(corpus, "test"), schemas.JUDGMENTS, ["query"])
        words = frozenset(test["query"].to_pylist())
    except ServiceNotFound:
        words = frozenset()
    return Sources(train or [], dev, words)


def split(sources: Sources, clicked: Sequence[Clicked], passages: Passages, *, seed: int) -> Split:
    """Decide the sides; the pairs that come back may still have to give way to queries of dev, test and heldout."""
    clicks = _click_rows(clicked)
    train, dev = sources.train, sources.dev
    queries = {row["query_id"]: row["query"] for row in train}
    if dev is None:
        chosen = (
            splits.carve(queries, seed=seed) if queries else splits.newest({one.query_id: one.first for one in clicked})
        )
        dev = [row for row in (train if queries else clicks) if row["query_id"] in chosen]
        train, clicks = ([row for row in rows if row["query_id"] not in chosen] for rows in (train, clicks))
    dev = _bounded([row for row in dev if row["doc_id"] in passages.of_document], seed)
    pairs = [*_pairs(train, passages, seed), *_pairs(clicks, passages, seed)]
    names = _known_items(passages, avoid=[*sources.test_queries, *(row["query"] for row in dev)])
    answers = {row["doc_id"] for row in dev} | {pair.doc_id for pair in pairs}
    documents = len(passages.of_document)
    heldout = splits.heldout(names, documents=documents, judged=answers, seed=seed)
    few = len({row["query_id"] for row in dev}) < FEWEST_DEV
    rest = [doc_id for doc_id in names if doc_id not in set(heldout)]
    known = splits.heldout(rest, documents=documents, judged=answers, seed=seed + 1)[:DEV_KNOWN] if few else []
    log.info(
        "split: %d judged pairs for training, %d judged dev queries and %d known-item ones, %d held-out documents",
        len(pairs), len({row["query_id"] for row in dev}), len(known), len(heldout),
    )  # fmt: skip
    every = [*sources.train, *dev, *clicks]
    return Split(
        train=pairs,
        dev=[*dev, *(_known_row(doc_id, names[doc_id]) for doc_id in known)],
        heldout=[_known_row(doc_id, names[doc_id]) for doc_id in heldout],
        judged=Judged(_documents(every, relevant=True), _documents(every, relevant=False), {*heldout, *known}),
    )


def table(rows: Rows) -> pa.Table:
    """Return rows as a table of judgments, in a stable order."""
    ordered = sorted(rows, key=lambda row: (row["query_id"], row["doc_id"]))
    return pa.Table.from_pylist(ordered, schema=schemas.JUDGMENTS)


def _table(oss: Oss, key: str, before: datetime | None) -> Rows | None:
    try:
        found = schemas.read_table(oss, key, schemas.JUDGMENTS)
    except ServiceNotFound:
        return None
    if before is not None:
        found = found.filter(pc.less(found["time"], pa.scalar(before, schemas.JUDGMENTS.field("time").type)))
    rows: Rows = found.to_pylist()
    return rows


def _click_rows(clicked: Iterable[Clicked]) -> Rows:
    return [
        {
            "query_id": one.query_id, "query": one.query, "doc_id": one.item_id, "grade": 1, "source": "click",
            "time": datetime.fromtimestamp(one.first, UTC), "weight": one.weight,
        }
        for one in clicked
    ]  # fmt: skip


def _pairs(rows: Rows, passages: Passages, seed: int) -> list[Pair]:
    """Make the pairs of judged rows; the weight is the grade's share of the query's best grade."""
    by_query: dict[str, Rows] = defaultdict(list)
    for row in rows:
        if row["grade"] > 0 and row["doc_id"] in passages.of_document:
            by_query[row["query_id"]].append(row)
    pairs = []
    for query_id, found in by_query.items():
        best = max(row["grade"] for row in found)
        found.sort(key=lambda row: (-row["grade"], draw(seed, "answer", query_id + row["doc_id"])))
        for row in found[:MOST_ANSWERS]:
            source = "click" if row["source"] == "click" else "human"
            weight = row.get("weight", row["grade"] / best)
            pairs.append(Pair(query_id, row["query"], row["doc_id"], source, weight=weight))
    return pairs


def _bounded(dev: Rows, seed: int) -> Rows:
    """Keep the dev queries, by lot, that early stopping can judge in the time of a few training steps."""
    by_query: dict[str, Rows] = defaultdict(list)
    for row in dev:
        by_query[row["query_id"]].append(row)
    kept: Rows = []
    documents: set[str] = set()
    answered = [one for one, rows in by_query.items() if any(row["grade"] > 0 for row in rows)]
    for query_id in sorted(answered, key=lambda one: draw(seed, "dev", one))[: splits.DEV_MOST]:
        found = {row["doc_id"] for row in by_query[query_id] if row["grade"] > 0}
        if len(documents | found) <= _DEV_DOCUMENTS:
            documents |= found
            kept += by_query[query_id]
    return kept


def _known_items(passages: Passages, *, avoid: Sequence[str]) -> dict[str, str]:
    """Return document -> known-item query, of documents that are alone in answering theirs."""
    names = {doc_id: name for doc_id in passages.of_document if (name := known_item(passages, doc_id))}
    copies: dict[str, int] = defaultdict(int)
    for doc_id in passages.of_document:
        copies[_text(passages, doc_id)] += 1
    together = {one for group in splits.groups(names) if len(group) > 1 for one in group}
    ids = list(names)
    known = {ids[index] for index in splits.near([names[one] for one in ids], avoid)}
    return {
        doc_id: name
        for doc_id, name in names.items()
        if doc_id not in together and doc_id not in known and copies[_text(passages, doc_id)] == 1
    }


def _text(passages: Passages, doc_id: str) -> str:
    return plain(passages.all[passages.of_document[doc_id][0]].text)


def _known_row(doc_id: str, query: str) -> dict[str, Any]:
    return {
        "query_id": f"known:{doc_id}", "query": query, "doc_id": doc_id, "grade": 1, "source": "synthetic",
        "time": _EPOCH,
    }  # fmt: skip


def _documents(rows: Rows, *, relevant: bool) -> Mapping[str, set[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        if (row["grade"] > 0) == relevant:
            found[plain(row["query"])].add(row["doc_id"])
    return dict(found)
