"""The judged queries of a corpus, as read from ``judgments/{corpus}/{split}.parquet``."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from searchloom import schemas
from searchloom.cloud.oss import Oss
from searchloom.errors import ServiceNotFound, UsageError


@dataclass(frozen=True)
class Collection:
    """Queries and what is known to answer them."""

    queries: dict[str, str]  # query_id -> text
    qrels: dict[str, dict[str, int]]  # query_id -> doc_id -> grade


def read(oss: Oss, corpus: str, split: str) -> Collection:
    """Read the judged queries of one split; ``UsageError`` where the corpus has none of that name."""
    try:
        table = schemas.read_table(oss, schemas.judgments_key(corpus, split), schemas.JUDGMENTS)
    except ServiceNotFound as error:
        prefix = f"judgments/{corpus}/"
        known = [info.key.removeprefix(prefix).removesuffix(".parquet") for info in oss.list(prefix)]
        remedy = f"take one of: {', '.join(known)}" if known else "import some with `searchloom corpus import-beir DIR`"
        raise UsageError(f"corpus {corpus!r} has no judgments named {split!r}; {remedy}") from error
    queries: dict[str, str] = {}
    qrels: dict[str, dict[str, int]] = defaultdict(dict)
    for row in table.to_pylist():
        queries[row["query_id"]] = row["query"]
        qrels[row["query_id"]][row["doc_id"]] = row["grade"]
    return Collection(queries, dict(qrels))
