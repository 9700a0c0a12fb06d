"""What the API takes and gives."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue, PrivateAttr, StringConstraints, model_validator

from searchloom.settings import CORPUS_PATTERN, EngineName

Mode = Literal["bm25", "vector", "hybrid"]

MAX_QUERY = 2000
MAX_K = 100


_EXAMPLE_RESULT: dict[str, JsonValue] = {
    "doc_id": "5f0c1a0d9f3b4c8e8a6e0a4f2f7b9c11",
    "source_id": "pandas/DataFrame.merge.md",
    "key": "pandas/DataFrame.merge.md",
    "title": "pandas.DataFrame.merge",
    "section": "Parameters",
    "language": "en",
    "score": 0.97,
    "passage": "<em>Merge</em> DataFrame or named Series objects with a database-style <em>join</em>.",
    "chunk_id": "0b1e6a1f7a5d4a0a9df2f61f3f1f6f3c",
    "ordinal": 0,
    "parts": {
        "bm25": {"score": 12.4, "rank": 1, "normalised": 1.0, "share": 0.42},
        "vector": {"score": 0.62, "rank": 2, "normalised": 0.94, "share": 0.39},
        "rerank": {"score": 4.1, "rank": 1, "normalised": 1.0, "share": 0.19},
    },
}

Facet = Literal["mime", "language", "section"]
_Names = Annotated[tuple[Annotated[str, StringConstraints(max_length=512)], ...], Field(max_length=50)]


class Filters(BaseModel):
    """What a document must fulfil besides being the caller's to see; of the names in one list any may do."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    mime: Annotated[_Names, Field(examples=[["text/markdown"]])] = ()
    language: Annotated[_Names, Field(description="ISO 639-1", examples=[["en", "zh"]])] = ()
    section: Annotated[_Names, Field(description="names of sections, as results show them")] = ()
    after: Annotated[date | None, Field(description="modified on this day (UTC) or later")] = None
    before: Annotated[date | None, Field(description="modified before this day (UTC)")] = None


class SearchRequest(BaseModel):
    """A search. Whose documents may be found is in the token, never here."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        json_schema_extra={"examples": [{"query": "join two tables on a key", "mode": "hybrid", "k": 10}]},
    )

    query: Annotated[
        str,
        StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_QUERY),
        Field(description="what is looked for, in words", examples=["join two tables on a key"]),
    ]
    corpus: Annotated[str, Field(pattern=CORPUS_PATTERN, description="one of GET /v1/corpora")] = "default"
    mode: Annotated[Mode, Field(description="words, meaning, or both")] = "hybrid"
    engine: Annotated[EngineName | None, Field(description="which engine is asked first; null: the service's own")] = (
        None
    )
    k: Annotated[int, Field(ge=1, le=MAX_K, description="documents to return")] = 10
    offset: Annotated[int, Field(ge=0, le=900, description="documents to pass over: k, 2k, ... for further pages")] = 0
    page_token: Annotated[
        str | None,
        Field(max_length=8000, description="next_page of the answer before: stable whatever changes meanwhile"),
    ] = None
    filters: Annotated[Filters | None, Field(description="null: everything that the caller may see")] = None
    facets: Annotated[tuple[Facet, ...], Field(max_length=3, description="count the documents found by these")] = ()
    correct: Annotated[bool, Field(description="correct misspelt words that are found nowhere; false: as typed")] = True
    personalize: Annotated[bool, Field(description="let what the caller did before have a say in the order")] = True
    highlight: Annotated[bool, Field(description="show the passage with the words; false: the head of the text")] = True
    rerank: Annotated[bool, Field(description="in mode hybrid, let the release's reranker read the head")] = True
    explain: Annotated[bool, Field(description="add each part's score to the results, and the timings")] = False
    record: Annotated[
        bool, Field(description="note what is shown as expose events; false: a measurement, that nobody looks at")
    ] = True

    @model_validator(mode="after")
    def _one_way_to_page(self) -> Self:
        if self.offset and self.page_token:
            raise ValueError("it names both an offset and a page_token; send the page_token alone")
        return self


class PartScore(BaseModel):
    """What one part of the search said of a result."""

    score: float = Field(
        description="BM25, the cosine of the vectors, the reranker's or the personal order's own score"
    )
    rank: int = Field(ge=1, description="place among the documents that this part judged")
    normalised: float = Field(ge=0, le=1, description="0 for the last of its candidates, 1 for the best")
    share: float = Field(ge=0, le=1, description="how much of the result's score is this part's doing")
    reason: str | None = Field(
        default=None,
        description="of the personal order: related:DOC_ID or alike:DOC_ID (something that you liked), popular, query",
    )


class Parts(BaseModel):
    """Why a result stands where it does; null for a retriever that did not find it, a reranker that did not read it."""

    bm25: PartScore | None = None
    vector: PartScore | None = None
    rerank: PartScore | None = None
    personal: PartScore | None = None


class Result(BaseModel):
    """One document, shown by its best chunk."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE_RESULT]})

    doc_id: str
    source_id: str = Field(description="the id that the document came with")
    key: str = Field(description="of the object that holds it, below the corpus")
    title: str
    section: str
    language: str
    mime: str
    score: float
    passage: str = Field(description="HTML: escaped text with the matching words in <em>")
    chunk_id: str
    ordinal: int = Field(description="which chunk of the document, from 0")
    parts: Parts | None = Field(default=None, description="with explain")


class QueryInfo(BaseModel):
    """How the query was understood."""

    text: str
    language: str = Field(description='ISO 639-1 of its script; "" where it has no letters')
    identifiers: list[str] = Field(description="names of things, never corrected: read_parquet, CVE-2024-1234")
    phrases: list[str] = Field(description="what stood in quotes: every result holds it word by word")
    corrected: str | None = Field(default=None, description="what was searched instead, where words were misspelt")


class FacetCount(BaseModel):
    """How many of the documents found have this value."""

    value: str
    count: int


class SearchAnswer(BaseModel):
    """The documents found, best first."""

    query: QueryInfo
    corpus: str
    release: int
    trace_id: str = Field(description="of this search, for events and for support")
    engine: EngineName = Field(description="which engine served")
    mode: Mode
    took_ms: float
    degraded: list[str] = Field(
        description='parts left out, down or late: "vector", "rerank", "personal", or the name of an engine'
    )
    results: list[Result]
    facets: dict[Facet, list[FacetCount]] | None = Field(
        default=None, description="of all documents found, as asked for"
    )
    next_page: str | None = Field(default=None, description="page_token of the next page; null: this is the last one")
    timings: dict[str, float] | None = Field(default=None, description="ms of each step, with explain")
    personal: str | None = Field(default=None, description="version of the personal model that had a say; null: none")
    arm: str | None = Field(
        default=None,
        description="EXPERIMENT/ARM; of an interleaved experiment, whose two arms share the list, its name alone; "
        "goes back with events",
    )
    _told: Mapping[str, Mapping[str, float]] = PrivateAttr(default_factory=dict)
    _teams: Mapping[str, str] = PrivateAttr(default_factory=dict)

    @property
    def told(self) -> Mapping[str, Mapping[str, float]]:
        """What ordered each result without a person, and what each part said of it; for the event log alone."""
        return self._told

    @property
    def teams(self) -> Mapping[str, str]:
        """The arm that placed a result, in an interleaved list; for the event log alone: nobody is to see it."""
        return self._teams

    def tell(self, told: Mapping[str, Mapping[str, float]], teams: Mapping[str, str]) -> None:
        """Note both."""
        self._told, self._teams = told, teams


class Suggestion(BaseModel):
    """Something to search for."""

    text: str
    doc_id: str | None = None


class Suggestions(BaseModel):
    """What the words typed so far may become, best first."""

    suggestions: list[Suggestion]


class CorpusInfo(BaseModel):
    """A corpus that can be searched, and its live release."""

    corpus: str
    release: int
    embedding: str
    reranker: str | None = None
    created: datetime


class Corpora(BaseModel):
    """All corpora with a release."""

    corpora: list[CorpusInfo]


class Health(BaseModel):
    """The process is alive."""

    status: Literal["ok"] = "ok"


class Readiness(BaseModel):
    """Whether the service can serve, and the parts it stands on."""

    ready: bool
    engines: dict[EngineName, bool]
    embedding: bool
    releases: int | None = Field(description="corpora with a release; null until the object store was read once")
    draining: bool = Field(default=False, description="the service is being stopped and takes no more")


class ErrorDetail(BaseModel):
    """What went wrong, in one sentence."""

    code: str
    message: str
    request_id: str


class ErrorAnswer(BaseModel):
    """Every answer that is not a success."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "error": {
                        "code": "unauthorized",
                        "message": "the token has expired; ask for a new one",
                        "request_id": "6f1d",
                    }
                }
            ]
        }
    )

    error: ErrorDetail
