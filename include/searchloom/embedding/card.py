"""What a model says of itself: ``card.json`` beside its weights, written once."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Kind = Literal["embedding", "reranker"]


class ModelCard(BaseModel):
    """One immutable version of a model."""

    model_config = ConfigDict(frozen=True)

    version: str
    kind: Kind = "embedding"
    base: str = Field(description="where its weights came from: package:NAME, a hub name, another version")
    dims: int = Field(default=0, ge=0, description="length of its vectors; 0: a reranker makes none")
    max_tokens: int = Field(gt=0, description="that it sees of a text, special tokens included")
    languages: tuple[str, ...] = Field(default=(), description="ISO 639-1; empty: not known")
    created: datetime
    fingerprint: str = Field(description="sha256 over its files")
    training_set: str = Field(default="", description="fingerprint of what it was trained on; empty: as it came")
    seed: int | None = None
    parameters: dict[str, Any] = Field(default={}, description="of its training")
    metrics: dict[str, float] = Field(default={}, description="on dev, before and after")

    @model_validator(mode="after")
    def _vectors_have_a_length(self) -> Self:
        if (self.dims > 0) != (self.kind == "embedding"):
            raise ValueError(f"a model of kind {self.kind!r} cannot have vectors of {self.dims} numbers")
        return self


def model_prefix(version: str, kind: Kind = "embedding") -> str:
    """Where the files of a version lie in the bucket."""
    return f"models/{kind}/{version}/"


def card_key(version: str, kind: Kind = "embedding") -> str:
    """Key of the card of a version; a version without one does not exist."""
    return f"{model_prefix(version, kind)}card.json"


def registered_name(kind: Kind, corpus: str) -> str:
    """Name under which PAI AIWorkSpace lists the versions that were trained for a corpus."""
    return f"searchloom-{kind}-{corpus}"
