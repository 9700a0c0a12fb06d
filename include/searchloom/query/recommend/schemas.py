"""What recommendations take and give."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from searchloom.settings import CORPUS_PATTERN

Scene = Literal["home", "similar", "rag_context"]
Source = Literal["personal", "airec", "similar", "popular"]

MAX_RECOMMENDED = 50


class RecommendRequest(BaseModel):
    """A wish for documents. Whose documents may come is in the token, never here."""

    model_config = ConfigDict(extra="forbid", frozen=True, json_schema_extra={"examples": [{"scene": "home", "k": 5}]})

    corpus: Annotated[str, Field(pattern=CORPUS_PATTERN, description="one of GET /v1/corpora")] = "default"
    scene: Annotated[
        Scene, Field(description="for the user, next to a document (item), or in a conversation (conversation_id)")
    ] = "home"
    item: Annotated[str | None, Field(pattern=r"^[A-Za-z0-9]{1,64}$", description="doc_id, for scene similar")] = None
    conversation_id: Annotated[
        str | None, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$", description="of the chat, for scene rag_context")
    ] = None
    k: Annotated[int, Field(ge=1, le=MAX_RECOMMENDED, description="documents to return")] = 10
    personalize: Annotated[bool, Field(description="let what the caller did before have a say")] = True

    @model_validator(mode="after")
    def _fits_its_scene(self) -> Self:
        if self.scene == "similar" and self.item is None:
            raise ValueError("scene similar needs item, the doc_id of a document")
        if self.scene == "rag_context" and self.conversation_id is None:
            raise ValueError("scene rag_context needs conversation_id, as it came with an answer of the chat")
        return self


class Recommended(BaseModel):
    """One document."""

    doc_id: str
    title: str
    section: str
    text: str = Field(description="the head of its text, plain: escape it before it is shown")
    score: float = Field(
        description="of its source: the personal model's, AIRec's weight, a cosine, or how often it was read lately"
    )
    reason: str = Field(description="one sentence for the reader")
    source: Source
    trace_id: str = Field(description="goes back with events about this document")


class RecommendAnswer(BaseModel):
    """Documents to read, best first: none twice, none that was read already, and not the one they stand next to."""

    corpus: str
    release: int
    scene: Scene
    trace_id: str = Field(description="of this answer")
    results: list[Recommended]
    degraded: list[str] = Field(
        description='parts left out, down or late: "personal", "airec", "embedding", "memory", an engine'
    )
    arm: str | None = Field(default=None, description="of the experiment that runs; goes back with events")
