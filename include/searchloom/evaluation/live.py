"""What the live release can do, and what its models were told in training."""

from __future__ import annotations

from searchloom.cloud.oss import Oss
from searchloom.embedding.model import read_card
from searchloom.evaluation import collection
from searchloom.evaluation.evaluate import MODES, Mode
from searchloom.release.document import Release


def modes(release: Release) -> list[Mode]:
    """Return the modes that differ: one without a reranker does not know ``reranked``."""
    return [mode for mode in MODES if mode != "reranked" or release.reranker]


def trained_documents(oss: Oss, release: Release) -> frozenset[str]:
    """Documents that a human, a click or the LLM brought into the training of one of its models; of a base model none.

    Raises ``NotFound`` for a model without a card, or one whose training set is gone.
    """
    cards = [read_card(oss, release.embedding.version)]
    if release.reranker:
        cards.append(read_card(oss, release.reranker.version, "reranker"))
    return collection.trained_documents(oss, release.corpus, {card.training_set for card in cards})
