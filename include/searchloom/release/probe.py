"""Whether a model service answers like the model that lies in OSS, loaded here in full precision."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import httpx
import numpy as np

from searchloom.cloud.failures import failure
from searchloom.cloud.oss import Oss
from searchloom.cloud.retry import repeatable
from searchloom.embedding.card import ModelCard
from searchloom.embedding.encoder import Encoder
from searchloom.embedding.model import fetch
from searchloom.embedding.reranker import Reranker
from searchloom.errors import ServiceUnavailable, Terminal
from searchloom.release import wire
from searchloom.settings import Settings

LEAST_COSINE = 0.999
LEAST_CORRELATION = 0.99
_SCORE_SLACK = 0.02  # of the largest score, in bf16
_TIMEOUT_S = 60.0
_MOST = 64

TEXTS = (
    "how do I join two tables on a key column",
    "heat transfer in the boundary layer of a slender wing at supersonic speed",
    "Returns a new object with the rows sorted by the given columns.",
    "refund policy",
    "error 404: page not found, see the log of the gateway for the id of the request",
    "怎样按键列合并两个表格",
    "The committee met on Tuesday and put the decision off until the figures of the third quarter are known. " * 12,
    "x",
)
"""Short and long, of several subjects, one in Chinese."""


def agreement(oss: Oss, card: ModelCard, url: str, settings: Settings, texts: Sequence[str] = ()) -> float:
    """Compare the service's answers with the model's and return the worst cosine, or the correlation of the scores.

    Raises ``Terminal`` when they differ by more than bf16 explains, ``ServiceUnavailable`` when nothing answers.
    """
    probes = [*TEXTS, *texts][:_MOST]
    folder = fetch(oss, card.version, settings.cache, card.kind)
    if card.kind == "embedding":
        return _embeddings(card, url, settings, probes, Encoder(folder, bf16=False))
    return _scores(card, url, settings, probes, Reranker(folder, card.max_tokens, bf16=False))


def _embeddings(card: ModelCard, url: str, settings: Settings, probes: list[str], encoder: Encoder) -> float:
    body = {"texts": probes, "version": card.version}
    answer = call("POST", url + wire.EMBED_PATH, settings, body)
    _check(wire.wrong_answer(answer, version=card.version, dims=card.dims, count=len(probes)), url)
    served = np.array(answer["embeddings"], dtype=np.float32)
    worst = float((served * encoder.encode(probes)).sum(axis=1).min())
    if not worst >= LEAST_COSINE:
        raise Terminal(
            f"the service at {url} does not answer like model {card.version!r}: cosine {worst:.4f} on a probe, "
            f"{LEAST_COSINE} is asked for; deploy the model again"
        )
    return worst


def _scores(card: ModelCard, url: str, settings: Settings, probes: list[str], reranker: Reranker) -> float:
    query, passages = probes[0], probes
    answer = call(
        "POST", url + wire.RERANK_PATH, settings, {"query": query, "passages": passages, "version": card.version}
    )
    _check(wire.wrong_answer(answer, version=card.version, count=len(passages)), url)
    served = np.array(answer["scores"], dtype=np.float64)
    offline = reranker.score([(query, passage) for passage in passages]).astype(np.float64)
    off, allowed = float(np.abs(served - offline).max()), _SCORE_SLACK * (1 + float(np.abs(offline).max()))
    alike = float(np.corrcoef(served, offline)[0, 1]) if offline.std() and served.std() else float(off <= allowed)
    if not (off <= allowed and alike >= LEAST_CORRELATION):
        raise Terminal(
            f"the service at {url} does not answer like model {card.version!r}: a score is off by {off:.4f} "
            f"({allowed:.4f} allowed), correlation {alike:.4f}; deploy the model again"
        )
    return alike


@repeatable
def call(method: str, url: str, settings: Settings, body: dict[str, Any] | None = None) -> dict[str, Any]:
    """Ask a model service; raises the ``Service*`` errors."""
    try:
        answer = httpx.request(
            method,
            url,
            json=body,
            headers=wire.headers(url, settings.embedding.token),
            timeout=_TIMEOUT_S,
            trust_env=False,
        )
    except httpx.HTTPError as error:
        raise ServiceUnavailable(
            f"the model service cannot be reached: {error or type(error).__name__}", endpoint=url
        ) from error
    if not answer.is_success:
        raise failure(
            service="the model service", what=wire.service_name(url) or url, status=answer.status_code,
            message=answer.text[:300], endpoint=url,
        )  # fmt: skip
    try:
        found = answer.json()
    except ValueError as error:
        raise Terminal(f"the service at {url} does not answer JSON; it is no model service of ours") from error
    return found if isinstance(found, dict) else {}


def _check(trouble: str, url: str) -> None:
    if trouble:
        raise Terminal(f"the service at {url} {trouble}")
