"""The judged queries of a corpus, as read from ``judgments/{corpus}/{split}.parquet``, and which of them are new."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field

import pyarrow as pa

from searchloom import schemas
from searchloom.cloud.oss import Oss
from searchloom.errors import ServiceNotFound, UsageError
from searchloom.training import training_set
from searchloom.training.training_set import judged_queries


@dataclass(frozen=True)
class Collection:
    """Queries and what is known to answer them."""

    queries: dict[str, str]  # query_id -> text
    qrels: dict[str, dict[str, int]]  # query_id -> doc_id -> grade
    sources: dict[str, str] = field(default_factory=dict)  # query_id -> who judged it


def read(oss: Oss, corpus: str, split: str) -> Collection:
    """Read the judged queries of one split; ``UsageError`` where the corpus has none of that name."""
    try:
        table = schemas.read_table(oss, schemas.judgments_key(corpus, split), schemas.JUDGMENTS)
    except ServiceNotFound as error:
        prefix = f"judgments/{corpus}/"
        known = [info.key.removeprefix(prefix).removesuffix(".parquet") for info in oss.list(prefix)]
        remedy = f"take one of: {', '.join(known)}" if known else "import some with `searchloom corpus import-beir DIR`"
        raise UsageError(f"corpus {corpus!r} has no judgments named {split!r}; {remedy}") from error
    return of_table(table)


def of_table(table: pa.Table) -> Collection:
    """Read judged queries from a table of ``JUDGMENTS``."""
    queries, qrels = judged_queries(table)
    sources = dict(zip(table["query_id"].to_pylist(), table["source"].to_pylist(), strict=True))
    return Collection(queries, qrels, sources)


def of_split(oss: Oss, corpus: str, split: str) -> Collection:
    """Read the judged queries of a split; none where the corpus has no such split."""
    if not oss.exists(schemas.judgments_key(corpus, split)):
        return Collection({}, {})
    return read(oss, corpus, split)


def sample(collection: Collection, most: int) -> Collection:
    """Return at most ``most`` of the queries, chosen by their hashes: the same ones every time."""
    if len(collection.queries) <= most:
        return collection
    kept = sorted(collection.queries, key=lambda one: hashlib.sha256(one.encode()).digest())[:most]
    queries = {one: collection.queries[one] for one in kept}
    qrels = {one: collection.qrels[one] for one in kept}
    return Collection(queries, qrels, collection.sources)


def trained_documents(oss: Oss, corpus: str, fingerprints: Iterable[str]) -> frozenset[str]:
    """Documents that a human, a click or the LLM brought into a pair of one of these training sets.

    A model has been told what to ask for these; only the others show what it makes of a document by itself. Raises
    ``NotFound`` for a set that is gone.
    """
    sets = (training_set.read(oss, corpus, fingerprint) for fingerprint in fingerprints if fingerprint)
    return frozenset().union(*(one.trained_on("human", "click", "llm") for one in sets))


def unseen(collection: Collection, trained: frozenset[str]) -> set[str]:
    """Queries none of whose relevant documents is among those that a model was trained on."""
    return {
        query
        for query, grades in collection.qrels.items()
        if trained.isdisjoint(document for document, grade in grades.items() if grade > 0)
    }
