"""From a model's folder to a handler that serves it: the card is believed only as far as the files bear it out."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from pydantic import ValidationError

from searchloom.embedding.card import ModelCard
from searchloom.embedding.encoder import Encoder
from searchloom.embedding.model import describe, fingerprint
from searchloom.embedding.reranker import Reranker
from searchloom.errors import Terminal
from searchloom.inference.handler import EmbeddingHandler, RerankHandler, ServedModel

log = logging.getLogger(__name__)

_WARM_UP = "the first call is the slow one"


def read_card(folder: Path, version: str) -> ModelCard:
    """Read the card in a model's folder.

    Raises ``Terminal`` when there is none, when it is not that of ``version``, or when the files are others.
    """
    try:
        card = ModelCard.model_validate_json((folder / "card.json").read_bytes())
    except (OSError, ValidationError) as error:
        raise Terminal(f"{folder} holds no model with a readable card.json; mount a published model") from error
    if card.version != version:
        raise Terminal(f"the card in {folder} is that of {card.version!r}, not of {version!r}; mount that model")
    if fingerprint(folder) != card.fingerprint:
        raise Terminal(f"the files of {version!r} are not those that its card was written for; publish the model again")
    return card


def load(folder: Path, card: ModelCard, threads: int) -> EmbeddingHandler | RerankHandler:
    """Load a model and run it once, so that the first caller finds it warm; 0 threads: half the cores.

    Raises ``Terminal`` when it is not what the card says.
    """
    # Half: one short text gains little from more, and on a busy machine the threads wait for each other.
    threads = threads or max(1, (os.cpu_count() or 1) // 2)
    handler = _reranker(folder, card, threads) if card.kind == "reranker" else _embedding(folder, card, threads)
    log.info("%s model %s is loaded", card.kind, card.version)
    return handler


def _embedding(folder: Path, card: ModelCard, threads: int) -> EmbeddingHandler:
    _expect_dims(card, describe(folder).dims)  # before seconds are spent on loading it
    encoder = Encoder(folder, threads)
    _expect_dims(card, encoder.encode([_WARM_UP]).shape[1])
    return EmbeddingHandler(ServedModel(card.version, card.dims), encoder.encode)


def _expect_dims(card: ModelCard, made: int) -> None:
    if made != card.dims:
        raise Terminal(
            f"model {card.version!r} makes vectors of {made} numbers, its card says {card.dims}; publish it again"
        )


def _reranker(folder: Path, card: ModelCard, threads: int) -> RerankHandler:
    reranker = Reranker(folder, card.max_tokens, threads)
    reranker.score([(_WARM_UP, _WARM_UP)])
    return RerankHandler(ServedModel(card.version), reranker.score)
