"""What a release says: one immutable JSON document that names everything that serves together."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from searchloom.settings import EngineName


class Fusion(BaseModel):
    """How the lexical and the vector ranking become one."""

    model_config = ConfigDict(frozen=True)

    method: Literal["minmax", "rrf"] = "minmax"
    vector_weight: float = Field(default=0.5, ge=0, le=1, description="share of the vector score; the rest is BM25's")
    vector_weight_by_language: dict[str, float] = Field(
        default_factory=dict, description="ISO 639-1 code -> weight, where a language wants another one"
    )
    trained_languages: tuple[str, ...] = Field(
        default=(), description="what the embedding model was trained on (its card); empty: every language"
    )
    vector_weight_untrained: float = Field(
        default=0.1, ge=0, le=1, description="for a language that the model was not trained on"
    )

    def weight(self, language: str) -> float:
        """Share of the vector score for a query of this language."""
        known = not language or not self.trained_languages or language in self.trained_languages
        general = self.vector_weight if known else self.vector_weight_untrained
        return self.vector_weight_by_language.get(language, general)


class EmbeddingModel(BaseModel):
    """The model that made the vectors of a release, and must make those of its queries."""

    model_config = ConfigDict(frozen=True)

    version: str
    dims: int = Field(gt=0)
    service: str = Field(
        default="", description="URL of the PAI-EAS service that serves it; empty: the one at settings.embedding.url"
    )


class Reranker(BaseModel):
    """The model that reads the head of the fused ranking once more, and its share of the score."""

    model_config = ConfigDict(frozen=True)

    version: str
    service: str = Field(min_length=1, description="URL of the PAI-EAS service that serves it")
    weight: float = Field(gt=0, le=1, description="its share of the blended score; learned on dev")
    depth: int = Field(default=30, gt=0, le=200, description="documents of the head that it reads")
    max_tokens: int = Field(gt=0, description="that it reads, of query and passage together or of each")


class Gate(BaseModel):
    """What the judge said of this release before it could serve; the whole report lies at ``report``."""

    model_config = ConfigDict(frozen=True)

    verdict: Literal["better", "worse", "not enough evidence"]
    summary: str = Field(default="", description="one sentence")
    report: str = Field(default="", description="key of the gate's report in the bucket")
    metrics: dict[str, float] = {}


class Release(BaseModel):
    """The versions that serve together; written once, never changed."""

    model_config = ConfigDict(frozen=True)

    corpus: str
    number: int = Field(gt=0)
    embedding: EmbeddingModel
    generation: dict[EngineName, str] = Field(description="engine -> index that holds this release's chunks")
    fusion: Fusion = Fusion()
    reranker: Reranker | None = None
    llm: str = Field(default="", description="model of Bailian that answers chats; empty: settings.bailian.chat_model")
    gate: Gate | None = None
    previous: int | None = Field(default=None, description="the release that served when this one was written")
    created: datetime
    created_by: str

    @property
    def services(self) -> tuple[str, ...]:
        """URLs of the model services that it needs, besides the one of the settings."""
        return tuple(url for url in (self.embedding.service, self.reranker.service if self.reranker else "") if url)


def release_key(corpus: str, number: int) -> str:
    """Key of a release's document in the bucket."""
    return f"releases/{corpus}/{number}.json"


def current_key(corpus: str) -> str:
    """Key of the pointer: ``{"release": number, "before": number of the one that served until then, or null}``."""
    return f"releases/{corpus}/CURRENT"


def lease_key(corpus: str) -> str:
    """Key of the lease that whoever changes what serves must hold."""
    return f"releases/{corpus}/LEASE"


def index_name(corpus: str, generation: int) -> str:
    """Name of an index generation, the same in both engines."""
    return f"searchloom-{corpus}-{generation}"


def alias_name(corpus: str) -> str:
    """Name under which everyone but the query module finds the live generation."""
    return f"searchloom-{corpus}"
