"""What ``train_models`` trains on, and the jobs that do it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from searchloom.cloud.oss import Oss
from searchloom.embedding import model as models
from searchloom.embedding.card import Kind
from searchloom.embedding.encoder import Encoder
from searchloom.errors import ServiceNotFound, Terminal, UsageError
from searchloom.release import registry
from searchloom.settings import ENGINES, Settings
from searchloom.training.build import build
from searchloom.training.job import TrainingJob, training_job
from searchloom.training.parameters import EmbeddingParameters, RerankerParameters


def training_set(oss: Oss, *, corpus: str, settings: Settings) -> dict[str, Any]:
    """Build the training set of a corpus against its live release, unless it is there; see ``training.build``.

    Returns what ``build`` does, and ``release``: the number of the release that serves. Raises ``Terminal`` for a
    corpus that has none.
    """
    release = registry.current(oss, corpus)
    if release is None:
        raise Terminal(f"corpus {corpus!r} has no release to better; run the DAG ingest_corpus for it first")
    card = models.read_card(oss, release.embedding.version)
    encoder = Encoder(models.fetch(oss, card.version, settings.cache), settings.embedding.threads)
    engine = ENGINES[0]
    built = build(
        oss,
        corpus=corpus,
        settings=settings,
        model=card,
        encoder=encoder,
        engine=engine,
        index=release.generation[engine],
    )
    return {**built, "release": release.number}


def jobs(
    oss: Oss, built: Mapping[str, Any], *, params: Mapping[str, Any], settings: Settings
) -> dict[Kind, TrainingJob]:
    """Describe the training of the embedding model, and of the reranker where ``reranker_minutes`` gives it time.

    ``built`` is what ``training_set`` returned. Raises ``UsageError`` for a base that is not in OSS.
    """
    base = params["base"] or models.publish_base(oss, settings).version
    try:
        models.read_card(oss, base)
    except ServiceNotFound as error:
        raise UsageError(f"base {base!r} is no version in models/embedding/; take one of those, or none") from error
    common: dict[str, Any] = {
        "bucket": oss.bucket_name, "corpus": built["corpus"], "training_set": built["fingerprint"],
    }  # fmt: skip
    embedding = training_job(
        "embedding",
        base=base,
        parameters=EmbeddingParameters(max_minutes=params["embedding_minutes"], seed=params["seed"]),
        **common,
    )
    found: dict[Kind, TrainingJob] = {"embedding": embedding}
    if params["reranker_minutes"]:
        parameters = RerankerParameters(max_minutes=params["reranker_minutes"], seed=params["seed"])
        found["reranker"] = training_job("reranker", base=embedding.version, parameters=parameters, **common)
    return found
