"""What a model must not lose while it learns a corpus: small sets that are judged by the model alone, in memory.

``paraphrases``: dev queries in other words. ``general``: summary lines that find their docstrings in Python's own
library, which no corpus of a company is likely to be. ``sentences (zh)`` and so on: a sentence finds its document, for
every language that the corpus has enough of.
"""

from __future__ import annotations

import ast
import hashlib
import logging
import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Collection as Sized
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from statistics import fmean

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from searchloom.cloud.oss import Oss
from searchloom.corpus import chunks
from searchloom.corpus import manifest as manifests
from searchloom.corpus.docstrings import symbols
from searchloom.evaluation import metrics
from searchloom.evaluation.collection import Collection
from searchloom.evaluation.perturb import variants
from searchloom.schemas import embedding_text

log = logging.getLogger(__name__)

Embed = Callable[[Sequence[str]], NDArray[np.float32]]

PARAPHRASES, GENERAL = "paraphrases", "general"
_PASSAGES = 3000  # of the corpus, besides those that have to be found
_QUERIES = 200
_FEW = 20  # queries; a smaller set tells nothing
_LANGUAGE_FROM = 30  # documents
_OLD_CODE = {"site-packages", "dist-packages", "test", "idlelib", "lib2to3", "distutils"}
_SENTENCE = re.compile(r"[^\u3002\uff01\uff1f!?\n.]+")  # Chinese marks too
_LENGTH = range(12, 160)  # characters of a sentence that reads like a query


@dataclass(frozen=True, slots=True)
class Probe:
    """Queries and the passages among which their documents are to be found.

    ``unit``: query_id -> what is counted once (the variants of one query are not independent of each other).
    """

    name: str
    queries: dict[str, str]
    qrels: dict[str, dict[str, int]]
    unit: dict[str, str]
    passages: list[tuple[str, str]]  # doc_id, text as it is embedded

    def judge(self, queries: Embed, passages: Embed) -> dict[str, float]:
        """Return nDCG@10 of each unit, by the cosines of the model alone."""
        ids = sorted(self.queries)
        scores = queries([self.queries[one] for one in ids]) @ passages([text for _, text in self.passages]).T
        ranked: dict[str, list[str]] = {}
        for query_id, row in zip(ids, scores, strict=True):
            best = [self.passages[place][0] for place in np.argsort(-row, kind="stable")[:100]]
            ranked[query_id] = list(dict.fromkeys(best))[:10]
        values = metrics.per_query(self.qrels, ranked)["ndcg@10"]
        by_unit: dict[str, list[float]] = defaultdict(list)
        for query_id in ids:
            by_unit[self.unit[query_id]].append(values[query_id])
        return {unit: fmean(found) for unit, found in by_unit.items()}


def make(oss: Oss, corpus: str, dev: Collection, *, seed: int = 20) -> list[Probe]:
    """Make the sets for a corpus; ``dev``: judged queries that no model was trained on (may be empty)."""
    languages = _languages(oss, corpus, seed)
    asked = _sample(dev.queries, _QUERIES, seed)
    wanted = {document for query in asked for document in dev.qrels[query]}.union(*languages.values())
    passages = _passages(oss, corpus, wanted, seed)
    texts = [(document, text) for document, _, text in passages]
    sentences = {code: _sentences(passages, documents) for code, documents in languages.items()}
    if len(asked) >= _FEW:
        paraphrased = _paraphrased({query: dev.queries[query] for query in asked}, dev.qrels, texts, seed)
    else:
        every = {document: text for found in sentences.values() for document, text in found.items()}
        paraphrased = _paraphrased(every, {document: {document: 1} for document in every}, texts, seed)
    known = [_known_items(f"sentences ({code})", found, texts) for code, found in sorted(sentences.items())]
    made = [probe for probe in (paraphrased, general(seed=seed), *known) if len(set(probe.unit.values())) >= _FEW]
    for probe in made:
        log.info("must not lose: %s, %d queries over %d passages", probe.name, len(probe.queries), len(probe.passages))
    return made


@lru_cache(maxsize=2)
def general(*, seed: int = 20) -> Probe:
    """Return the general set: docstrings of the packages of Python's standard library."""
    library = Path(ast.__file__).parent
    folders = sorted(file.parent for file in library.glob("*/__init__.py") if file.parent.name not in _OLD_CODE)
    found = {symbol.title: symbol for folder in folders for symbol in symbols(folder.name, folder)}
    summaries = {title: symbol.summary for title, symbol in found.items()}
    asked = {title: summaries[title] for title in _sample(summaries, _QUERIES, seed)}
    return _known_items(GENERAL, asked, [(title, f"{title}\n{symbol.body}") for title, symbol in found.items()])


def _known_items(name: str, queries: Mapping[str, str], passages: list[tuple[str, str]]) -> Probe:
    ids = {one: one for one in queries}
    return Probe(name, dict(queries), {one: {one: 1} for one in queries}, ids, passages)


def _paraphrased(
    queries: Mapping[str, str], qrels: Mapping[str, Mapping[str, int]], passages: list[tuple[str, str]], seed: int
) -> Probe:
    made = variants(queries, seed=seed)
    unit = {f"{query}~{kind}": query for query, kinds in made.items() for kind in kinds}
    texts = {f"{query}~{kind}": text for query, kinds in made.items() for kind, text in kinds.items()}
    return Probe(PARAPHRASES, texts, {one: dict(qrels[query]) for one, query in unit.items()}, unit, passages)


def _languages(oss: Oss, corpus: str, seed: int) -> dict[str, set[str]]:
    """Some documents of every language that has enough of them."""
    rows = manifests.read(oss, corpus).active()
    found: dict[str, list[str]] = defaultdict(list)
    for row in rows.filter(pc.greater(rows["chunk_count"], 0)).select(["doc_id", "language"]).to_pylist():
        found[row["language"]].append(row["doc_id"])
    enough = {code: documents for code, documents in found.items() if len(documents) >= _LANGUAGE_FROM}
    return {code: set(_sample(documents, _QUERIES // 2, seed)) for code, documents in enough.items()}


def _passages(oss: Oss, corpus: str, wanted: Sized[str], seed: int) -> list[tuple[str, str, str]]:
    """Chunks of the wanted documents and a sample of the others: doc_id, text alone, text as it is embedded."""
    manifest = manifests.read(oss, corpus)
    total = max(1, pc.sum(manifest.active()["chunk_count"]).as_py() or 0)
    found = []
    columns = ["chunk_id", "doc_id", "title", "section", "text"]
    for table in chunks.in_force(oss, corpus, manifest):
        for row in table.select(columns).to_pylist():
            if row["doc_id"] in wanted or _draw(row["chunk_id"], seed) < _PASSAGES / total:
                whole = embedding_text(row["title"], row["section"], row["text"])
                found.append((row["doc_id"], row["text"], whole))
    return found


def _sentences(passages: Sequence[tuple[str, str, str]], documents: Sized[str]) -> dict[str, str]:
    """One sentence of each document: the one nearest to the middle of its first chunk that has any."""
    found: dict[str, str] = {}
    for document, text, _ in passages:
        if document not in documents or document in found:
            continue
        sentences = [match for match in _SENTENCE.finditer(text) if len(match.group().strip()) in _LENGTH]
        if sentences:
            middle = min(sentences, key=lambda match: abs(match.start() + match.end() - len(text)))
            found[document] = middle.group().strip()
    return found


def _sample(ids: Sized[str], size: int, seed: int) -> list[str]:
    """Return at most ``size`` of the ids, chosen by their hashes: the same ones whatever else there is."""
    return sorted(sorted(ids, key=lambda one: _draw(one, seed))[:size])


def _draw(name: str, seed: int) -> float:
    return int.from_bytes(hashlib.sha256(f"{seed}\0{name}".encode()).digest()[:8]) / 2**64
