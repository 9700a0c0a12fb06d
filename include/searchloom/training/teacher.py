"""A teacher's scores for the lists that a reranker learns from: asked of Bailian's reranker once, kept in OSS.

One JSON-lines file; a line is ``{"query": "...", "scores": {chunk_id: score}}``.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from searchloom.cloud.bailian import Bailian
from searchloom.cloud.oss import Oss
from searchloom.errors import NotFound, Terminal
from searchloom.training import training_set as sets

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TeacherScores:
    """Query -> chunk id -> score, in [0, 1]; ``fingerprint`` of the file, empty where there is none."""

    scores: Mapping[str, Mapping[str, float]]
    fingerprint: str = ""

    @classmethod
    def read(cls, path: Path) -> TeacherScores:
        """Read a file of scores; ``NotFound`` or ``Terminal`` where there is none."""
        if not path.is_file():
            raise NotFound(f"there is no file of a teacher's scores at {path}; leave --teacher out, or ask a teacher")
        data = path.read_bytes()
        try:
            rows = [json.loads(line) for line in data.splitlines() if line.strip()]
            scores = {str(row["query"]): {mark: float(s) for mark, s in row["scores"].items()} for row in rows}
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise Terminal(f"{path} is no file of a teacher's scores: {error!r}; ask the teacher again") from error
        return cls(scores, hashlib.sha256(data).hexdigest()[:16])


def scores_key(corpus: str, fingerprint: str, model: str) -> str:
    """Key of the scores that a teacher gave for a training set."""
    return f"{sets.prefix(corpus, fingerprint)}teacher-{model}.jsonl"


def ask_bailian(
    oss: Oss, bailian: Bailian, *, corpus: str, fingerprint: str, model: str, max_queries: int = 1000
) -> str:
    """Let Bailian's reranker score the lists of a training set, unless it did; returns the file's key.

    Judged pairs come first when there are more than ``max_queries`` queries. Raises the ``Service*`` errors.
    """
    key = scores_key(corpus, fingerprint, model)
    if oss.exists(key):
        return key
    pairs = sorted(sets.read(oss, corpus, fingerprint).pairs.to_pylist(), key=lambda row: row["source"] == "corpus")
    lists: dict[str, dict[str, str]] = defaultdict(dict)
    for row in pairs:
        passages = {row["chunk_id"]: row["positive"], **dict(zip(row["negative_ids"], row["negatives"], strict=True))}
        if row["query"] in lists or len(lists) < max_queries:
            lists[row["query"]].update(passages)
    log.info("asking %s about %d queries of training set %s", model, len(lists), fingerprint)
    lines = []
    for query, passages in lists.items():
        marks = list(passages)
        ranked = bailian.rerank(query, [passages[mark] for mark in marks], top_n=len(marks), model=model)
        lines.append(json.dumps({"query": query, "scores": {marks[each.index]: each.score for each in ranked}}))
    oss.put(key, "\n".join(lines).encode(), content_type="application/jsonl")
    return key
