"""Builds a training set from what a company has; the same inputs give the same set, and then nothing is done.

Sources: human judgments, clicks, the corpus itself, and, where ``training.llm_questions`` is set, a language model. No
query of dev, test or heldout, and none that nearly says the same, is in a pair; no held-out document is in one either,
not as a negative.
"""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from searchloom.cloud.bailian import Bailian
from searchloom.cloud.oss import ObjectInfo, Oss
from searchloom.corpus import manifest as manifests
from searchloom.corpus.manifest import Manifest
from searchloom.embedding.card import ModelCard
from searchloom.embedding.shards import Encodes
from searchloom.errors import Terminal, UsageError
from searchloom.personalization import privacy
from searchloom.settings import EngineName, Settings
from searchloom.training import assemble, clicks, judgments, passages, retrieval, training_set
from searchloom.training.judgments import Sources, Split
from searchloom.training.negatives import Miner
from searchloom.training.pairs import Pair, of_corpus
from searchloom.training.passages import Passages
from searchloom.training.questions import of_llm
from searchloom.training.training_set import TrainingSetCard

log = logging.getLogger(__name__)

_FORMAT = 1  # raise it when the same inputs give another set
_DEPTH = 30  # candidates of each retriever for a query


@dataclass(frozen=True)
class _Inputs:
    """What goes in, and its fingerprint."""

    corpus: str
    manifest: Manifest
    sources: Sources
    events: list[ObjectInfo]
    parameters: dict[str, Any]
    fingerprint: str


def build(
    oss: Oss,
    *,
    corpus: str,
    settings: Settings,
    model: ModelCard,
    encoder: Encodes,
    engine: EngineName | None = None,
    index: str = "",
    seed: int | None = None,
    max_pairs: int | None = None,
    before: datetime | None = None,
) -> dict[str, Any]:
    """Build the training set of a corpus, unless it is there; returns its fingerprint, prefix and counts.

    ``model`` and its ``encoder`` are the present model, whose vectors of the corpus are in OSS. ``engine`` and
    ``index`` say where BM25 is asked (None: only the model mines). ``before``: nothing that was judged or clicked
    later goes in, so that later queries are a split by time. ``seed`` and ``max_pairs``: None means the settings'.

    Raises ``UsageError`` for a corpus without documents, ``Terminal`` for an encoder that is not the model's.
    """
    began = time.monotonic()
    if encoder.dims != model.dims:
        raise Terminal(
            f"the encoder makes vectors of {encoder.dims} numbers, model {model.version!r} of {model.dims}; "
            "load the model that the live release names"
        )
    chosen = settings.training.model_copy(
        update={name: value for name, value in (("seed", seed), ("max_pairs", max_pairs)) if value is not None}
    )
    own = settings.model_copy(update={"training": chosen})
    inputs = _inputs(oss, corpus, own, model, engine=engine if index else None, before=before)
    card = training_set.find_card(oss, corpus, inputs.fingerprint)
    built = card is None
    if card is None:
        card = _build(
            oss, inputs, settings=own, model=model, encoder=encoder,
            index=(engine, index) if engine is not None and index else None,
        )  # fmt: skip
        log.info(
            "training set %s of corpus %r: %s; written in %.0f s",
            inputs.fingerprint, corpus, _sentence(card), time.monotonic() - began,
        )  # fmt: skip
    else:
        log.info("training set %s of corpus %r is there: %s", inputs.fingerprint, corpus, _sentence(card))
    return {
        "corpus": corpus, "fingerprint": card.fingerprint, "prefix": training_set.prefix(corpus, card.fingerprint),
        "built": built, "pairs": card.pairs, "queries": card.queries, "documents": card.documents,
        "negatives": card.negatives, "left_out": card.left_out,
    }  # fmt: skip


def _inputs(
    oss: Oss, corpus: str, settings: Settings, model: ModelCard, *, engine: str | None, before: datetime | None
) -> _Inputs:
    manifest = manifests.read(oss, corpus)
    active = manifest.active().select(["doc_id", "content_sha256"])
    if not len(active):
        raise UsageError(f"corpus {corpus!r} has no documents to train on; run ingest_corpus first")
    sources = judgments.read(oss, corpus, before=before)
    events = clicks.files(oss, days=settings.training.click_days, before=before)
    parameters = settings.training.model_dump(mode="json") | {
        "format": _FORMAT, "model": model.fingerprint, "engine": engine, "before": before and before.isoformat(),
        "chat_model": settings.bailian.chat_model if settings.training.llm_questions else None,
    }  # fmt: skip
    digest = hashlib.sha256(json.dumps([corpus, parameters], sort_keys=True).encode())
    lines = (
        *sorted(map(repr, zip(active["doc_id"].to_pylist(), active["content_sha256"].to_pylist(), strict=True))),
        *sorted(_line("train", row) for row in sources.train),
        *sorted(_line("dev", row) for row in sources.dev or []),
        *sorted(f"test {query}" for query in sources.test_queries),
        *(f"event {info.key} {info.etag}" for info in events),
    )
    for line in lines:
        digest.update(f"{line}\n".encode())
    return _Inputs(corpus, manifest, sources, events, parameters, digest.hexdigest()[:16])


def _line(split: str, row: dict[str, Any]) -> str:
    return repr((split, row["query_id"], row["query"], row["doc_id"], row["grade"], row["source"]))


def _build(
    oss: Oss,
    inputs: _Inputs,
    *,
    settings: Settings,
    model: ModelCard,
    encoder: Encodes,
    index: tuple[EngineName, str] | None,
) -> TrainingSetCard:
    seed = settings.training.seed
    named = {row["doc_id"] for row in (*inputs.sources.train, *(inputs.sources.dev or ()))}
    found = passages.read(
        oss, inputs.corpus, inputs.manifest, judged=named, limit=settings.training.mining_chunks, seed=seed
    )
    events = privacy.kept(clicks.read(oss, inputs.events), privacy.erased(oss))
    clicked = clicks.judged(events, known=_item_ids(found), min_clicks=settings.training.min_clicks)
    split = judgments.split(inputs.sources, clicked, found, seed=seed)
    candidates = [*split.train, *_questions(found, split, settings), *of_corpus(found, split.judged.reserved)]
    pairs, left_out = assemble.chosen(candidates, split, inputs.sources.test_queries, settings.training)
    search = retrieval.search(
        oss, found, assemble.asked(pairs, split, found), corpus=inputs.corpus, settings=settings, model=model,
        encoder=encoder, index=index, depth=_DEPTH,
    )  # fmt: skip
    miner = Miner(found, search, split.judged, seed, settings.training.negatives)
    tables = assemble.tables(pairs, split, miner)
    rows, documents = tables["pairs.parquet"], tables["documents.parquet"]
    card = TrainingSetCard(
        corpus=inputs.corpus, fingerprint=inputs.fingerprint, seed=seed, mined_with=model.version,
        pairs=dict(sorted(Counter(rows["source"].to_pylist()).items())),
        queries={
            "train": len(set(rows["query_id"].to_pylist())),
            "dev": len({row["query_id"] for row in split.dev}),
            "heldout": len(split.heldout),
        },
        documents={
            "in_force": len(inputs.manifest.active()), "read": len(found.of_document),
            "trained": len(documents), "heldout": len(split.heldout),
        },
        negatives=dict(sorted(miner.found_by.items())), left_out=left_out,
        settings=inputs.parameters, files={}, created=datetime.now(UTC),
    )  # fmt: skip
    return training_set.write(oss, card, tables)


def _item_ids(found: Passages) -> dict[str, str]:
    """Map what the items of events may be called, documents and chunks, to documents."""
    return {passage.chunk_id: passage.doc_id for passage in found.all} | {one: one for one in found.of_document}


def _questions(found: Passages, split: Split, settings: Settings) -> list[Pair]:
    training = settings.training
    if not training.llm_questions or not training.llm_passages:
        return []
    bailian = Bailian(settings.bailian)
    try:
        return of_llm(
            bailian, found, split.judged.reserved, questions=training.llm_questions,
            most_passages=training.llm_passages, seed=training.seed,
        )  # fmt: skip
    finally:
        bailian.close()


def _sentence(card: TrainingSetCard) -> str:
    pairs = ", ".join(f"{count} {source}" for source, count in card.pairs.items()) or "no"
    return (
        f"{pairs} pairs of {card.documents['trained']} of {card.documents['in_force']} documents, "
        f"{sum(card.negatives.values())} negatives, {card.queries['dev']} dev and {card.queries['heldout']} held-out "
        "queries"
    )
