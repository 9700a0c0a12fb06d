"""What a training is told, and the version that follows from it: the same inputs are the same model version."""

from __future__ import annotations

import hashlib
import json
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from searchloom.embedding.card import Kind


class Parameters(BaseModel):
    """What both kinds of training share."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    epochs: float = Field(default=2.0, gt=0, description="times that every judged pair is seen")
    batch_size: int = Field(default=32, ge=2, description="pairs a step")
    negatives: int = Field(default=1, ge=0, description="mined negatives a pair")
    corpus_ratio: float = Field(default=0.5, ge=0, description="corpus pairs for each judged one, in the first epoch")
    max_tokens: int = Field(default=160, ge=16, description="that training reads of a text; less than the model may")
    learning_rate: float = Field(default=5e-5, gt=0)
    head_rate: float = Field(default=10.0, gt=0, description="times the learning rate, for the head of a cross-encoder")
    weight_decay: float = Field(default=0.01, ge=0)
    warm_up: float = Field(default=0.1, ge=0, lt=1, description="share of the training in which the rate rises")
    dropout: float = Field(
        default=0.0, ge=0, lt=1, description="on a processor it takes as long as a layer, and memory in plenty"
    )
    save_memory: bool = Field(default=False, description="compute forward twice rather than keep everything")
    max_minutes: float = Field(default=4.0, gt=0, description="for training and its evaluations together")
    evaluations: int = Field(default=2, ge=1, description="on dev, at even distances; fewer where they cost too much")
    patience: int = Field(default=2, ge=1, description="evaluations without a new best after which training ends")
    dev_passages: int = Field(default=600, ge=10, description="of the dev pool that an evaluation ranks")
    checkpoint_seconds: float = Field(default=30.0, gt=0)
    seed: int = 20


class EmbeddingParameters(Parameters):
    """How an embedding model is trained."""

    scale: float = Field(default=20.0, gt=0, description="of cosines, before the softmax")
    matryoshka: tuple[int, ...] = Field(default=(), description="lengths that a prefix of a vector must serve at")
    blends: tuple[float, ...] = Field(
        default=(0.5, 0.7, 1.0), min_length=1, description="shares of the tuned weights tried on dev; the rest is base"
    )


class RerankerParameters(Parameters):
    """How a reranker is trained."""

    form: Literal["late", "cross"] = Field(
        default="late",
        description="what becomes of a bi-encoder: read token by token, or a cross-encoder with a new head",
    )
    batch_size: int = Field(default=32, ge=1, description="lists a step, each of a positive and its negatives")
    scale: float = Field(default=32.0, gt=0, description="of scores, before the softmax; late interaction alone")
    max_minutes: float = Field(default=2.5, gt=0)
    evaluations: int = Field(default=2, ge=1, description="on dev; each reads ``depth`` passages a query")
    depth: int = Field(default=10, ge=2, description="passages that it re-orders on dev")
    teacher_scale: float = Field(default=10.0, gt=0, description="of the teacher's scores, before the softmax")
    teacher_share: float = Field(default=0.5, ge=0, le=1, description="of the loss, where a teacher scored the list")


def model_version(kind: Kind, *, training_set: str, base: str, parameters: Parameters, teacher: str = "") -> str:
    """Return ``own-{kind}-{12 hex}``: of the set's and the teacher scores' fingerprints, base version, parameters."""
    told: dict[str, Any] = {
        "training_set": training_set,
        "base": base,
        "parameters": parameters.model_dump(mode="json"),
    }
    if teacher:
        told["teacher"] = teacher
    digest = hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()
    return f"own-{kind}-{digest[:12]}"
