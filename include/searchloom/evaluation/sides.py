"""The candidate and the live release, with their models in memory: what the judge puts side by side."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from searchloom.cloud.oss import Oss
from searchloom.embedding.card import ModelCard, model_prefix
from searchloom.embedding.model import fetch, read_card
from searchloom.embedding.reranker import Reranker
from searchloom.engines.connect import loader
from searchloom.errors import Terminal
from searchloom.evaluation.model_alone import ModelAlone
from searchloom.evaluation.shadow import Rerank, Score
from searchloom.release.document import EmbeddingModel, Fusion, Release
from searchloom.settings import EngineName, Settings

log = logging.getLogger(__name__)


class RerankerChoice(BaseModel):
    """A reranker; without ``weight`` its share and its depth are learned on dev."""

    model_config = ConfigDict(frozen=True)

    version: str
    weight: float | None = Field(default=None, ge=0, le=1)
    depth: int = Field(default=30, gt=0)


class Candidate(BaseModel):
    """What may become a release: the same names as in a release; without ``fusion`` its weights are learned on dev."""

    model_config = ConfigDict(frozen=True)

    embedding: EmbeddingModel
    generation: dict[EngineName, str] = Field(min_length=1)
    fusion: Fusion | None = None
    reranker: RerankerChoice | None = None

    @classmethod
    def of(cls, release: Release) -> Candidate:
        """Return a release as a candidate."""
        return cls.model_validate(release.model_dump(include={"embedding", "generation", "fusion", "reranker"}))

    def says(self) -> dict[str, Any]:
        """What makes it another one than its neighbour: models and weights, not the names of its indexes."""
        return {
            "embedding": self.embedding.version,
            "fusion": self.fusion.model_dump(mode="json") if self.fusion else None,
            "reranker": self.reranker.model_dump(mode="json") if self.reranker else None,
        }


@dataclass(frozen=True, slots=True)
class Loaded:
    """A candidate, or the live release as one, and its models."""

    what: Candidate
    model: ModelAlone
    reranker_card: ModelCard | None = None
    score: Score | None = None

    def rerank(self) -> Rerank | None:
        """Return its reranker at the weight that it names."""
        chosen = self.what.reranker
        if chosen is None or self.score is None:
            return None
        return Rerank(self.score, chosen.weight or 0.0, chosen.depth)

    def training_sets(self) -> set[str]:
        """Fingerprints of what its models were trained on."""
        cards = [self.model.card, self.reranker_card]
        return {card.training_set for card in cards if card and card.training_set}

    def megabytes(self) -> float:
        """Size of the files of all its models."""
        size = self.model.megabytes()
        if self.reranker_card is None:
            return size
        prefix = model_prefix(self.reranker_card.version, "reranker")
        return round(size + sum(info.size for info in self.model.oss.list(prefix)) / 1e6, 1)


def load(oss: Oss, corpus: str, what: Candidate, settings: Settings, *, beside: Loaded | None = None) -> Loaded:
    """Load a candidate's models, sharing those that ``beside`` has in memory already.

    Raises ``ServiceNotFound`` for a model without a card, ``Terminal`` for a card or an index that is of another model.
    """
    if beside and beside.model.card.version == what.embedding.version:
        model = beside.model
    else:
        model = ModelAlone.load(oss, corpus, what.embedding.version, settings)
    if model.card.dims != what.embedding.dims:
        raise Terminal(
            f"the candidate says {what.embedding.version!r} makes vectors of {what.embedding.dims} numbers, its card "
            f"says {model.card.dims}; name the model as its card does"
        )
    for engine, index in what.generation.items():
        check_index(settings, engine, index, corpus=corpus, card=model.card)
    if what.reranker is None:
        return Loaded(what, model)
    version = what.reranker.version
    if beside and beside.reranker_card and beside.reranker_card.version == version:
        return Loaded(what, model, beside.reranker_card, beside.score)
    card = read_card(oss, version, "reranker")
    folder = fetch(oss, version, settings.cache, "reranker")
    return Loaded(what, model, card, scorer(Reranker(folder, card.max_tokens, settings.embedding.threads)))


def check_index(settings: Settings, engine: EngineName, index: str, *, corpus: str, card: ModelCard) -> None:
    """Refuse an index that is not there or holds vectors of another model than its queries would have."""
    side = loader(settings, engine)
    try:
        meta = side.meta(index)
    finally:
        side.close()
    if meta is None:
        raise Terminal(f"the candidate names index {index!r}, which {engine} does not have; build the generation first")
    found, wanted = (meta.corpus, meta.embedding_version, meta.dims), (corpus, card.version, card.dims)
    if found != wanted:
        raise Terminal(
            f"index {index!r} of {engine} holds {found}, the candidate is {wanted}; build a generation of it"
        )


def scorer(reranker: Reranker) -> Score:
    """Return the scoring function of a reranker in memory."""

    def score(query: str, passages: Sequence[str]) -> list[float]:
        scores: list[float] = reranker.score([(query, one) for one in passages]).tolist()
        return scores

    return score


def described(side: Loaded) -> dict[str, Any]:
    """One side as the report names it."""
    return {**side.what.model_dump(mode="json"), "training_sets": sorted(side.training_sets())}
