"""What an embedding model says of itself: ``card.json`` beside its weights, written once."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field


class ModelCard(BaseModel):
    """One immutable version of an embedding model."""

    model_config = ConfigDict(frozen=True)

    version: str
    base: str = Field(description="where its weights came from: package:NAME, a hub name, another version")
    dims: int = Field(gt=0)
    max_tokens: int = Field(gt=0, description="that it sees of a text, special tokens included")
    languages: tuple[str, ...] = Field(default=(), description="ISO 639-1; empty: not known")
    created: datetime
    fingerprint: str = Field(description="sha256 over its files")
    training_set: str = Field(default="", description="fingerprint of what it was trained on; empty: as it came")
    seed: int | None = None
    metrics: dict[str, float] = {}


def model_prefix(version: str) -> str:
    """Where the files of a version lie in the bucket."""
    return f"models/embedding/{version}/"


def card_key(version: str) -> str:
    """Key of the card of a version; a version without one does not exist."""
    return f"{model_prefix(version)}card.json"
