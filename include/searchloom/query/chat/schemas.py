"""What chat takes and gives."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from searchloom.query.schemas import MAX_QUERY
from searchloom.settings import CORPUS_PATTERN, EngineName

Format = Literal["compact", "openai"]


class ChatRequest(BaseModel):
    """A question. Whose documents may answer it is in the token, never here."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        json_schema_extra={"examples": [{"message": "How do I join two tables on a key?", "stream": False}]},
    )

    message: Annotated[
        str,
        StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_QUERY),
        Field(description="the question, or what follows one", examples=["How do I join two tables on a key?"]),
    ]
    corpus: Annotated[str, Field(pattern=CORPUS_PATTERN, description="one of GET /v1/corpora")] = "default"
    conversation_id: Annotated[
        str | None,
        Field(pattern=r"^[A-Za-z0-9_-]{1,64}$", description="of an earlier answer, to go on; null: a new one"),
    ] = None
    stream: Annotated[bool, Field(description="server-sent events as it is written; false: one JSON document")] = True
    format: Annotated[Format, Field(description="our own events, or OpenAI's chunks")] = "compact"
    engine: Annotated[EngineName | None, Field(description="which engine is asked first; null: the service's own")] = (
        None
    )
    personalize: Annotated[bool, Field(description="let what this user liked before count")] = True


class NumberedPassage(BaseModel):
    """A passage that the answer may cite, as ``[number]``."""

    number: int = Field(ge=1)
    doc_id: str
    chunk_id: str
    title: str
    section: str
    text: str = Field(description="plain text, as it stands in the document: escape it before it is shown")


class Passages(BaseModel):
    """The first event: what the answer is made from."""

    conversation_id: str
    release: int
    question: str = Field(description="the question as it was looked for: a follow-up stands alone here")
    passages: list[NumberedPassage]
    trace_id: str = Field(description="goes back with events about these passages")


class Delta(BaseModel):
    """The next piece of the answer; all pieces together are the answer."""

    text: str


class Citation(BaseModel):
    """One ``[number]`` in the answer; ``start`` and ``end`` count characters (code points) of the answer."""

    number: int = Field(ge=1)
    start: int = Field(ge=0)
    end: int = Field(ge=0)
    supported: bool = Field(description="whether the passage holds most of what its sentence says")
    added: bool = Field(default=False, description="the model cited nothing; this passage holds what it said")


class Span(BaseModel):
    """A sentence of the answer, in characters."""

    start: int = Field(ge=0)
    end: int = Field(ge=0)


class Usage(BaseModel):
    """Tokens of the language model, those of a rewritten question among them."""

    prompt_tokens: int = 0
    completion_tokens: int = 0


class Done(BaseModel):
    """The last event: the answer, and what it stands on."""

    answer: str = Field(description="plain text without markup; [n] cites passage n")
    citations: list[Citation]
    unsupported: list[Span] = Field(description="sentences that no passage holds")
    known: bool = Field(description="false: the passages do not hold the answer")
    usage: Usage
    degraded: list[str] = Field(
        description='parts left out, down or late: "llm" (the answer quotes the passages), "rewrite", "memory", '
        '"guard" (the rest of the answer was withheld), and those of search'
    )


class Broken(BaseModel):
    """The event in the place of ``done`` when something fails after the first event."""

    code: str
    message: str
    request_id: str


class ChatAnswer(Passages, Done):
    """The whole answer as one document."""


class CompletionMessage(BaseModel):
    """What was answered."""

    role: Literal["assistant"] = "assistant"
    content: str


class CompletionChoice(BaseModel):
    """The one answer that there is."""

    index: Literal[0] = 0
    message: CompletionMessage
    finish_reason: Literal["stop"] = "stop"


class CompletionUsage(Usage):
    """Tokens, as OpenAI's clients count them."""

    total_tokens: int


class ChatCompletion(BaseModel):
    """With format ``openai``: the whole answer as OpenAI's clients read it, and our own form beside it."""

    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int = Field(description="seconds since 1970")
    model: str
    choices: list[CompletionChoice]
    usage: CompletionUsage
    searchloom: ChatAnswer


Event = Passages | Delta | Done | Broken
