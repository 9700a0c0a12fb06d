"""The core of a model service, whatever server stands around it: check a request, run the model on a batch of requests.

An embedding model takes ``{"texts": [...], "version": "..."}`` and answers
``{"version": "...", "dims": n, "embeddings": [[...], ...]}`` with one unit-length vector a text, in the same order. A
reranker takes ``{"query": "...", "passages": [...], "version": "..."}`` and answers
``{"version": "...", "scores": [...]}`` with one number a passage, the higher the better. ``version`` may be left out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from searchloom.errors import NotFound, UsageError
from searchloom.release.wire import EMBED_PATH, RERANK_PATH

MAX_TEXTS = 64
MAX_CHARACTERS = 64_000
"""Of one request to an embedding model, all its texts together; a model of 256 tokens reads some 1,500 of a text."""

MAX_PASSAGES = 200
MAX_PAIR_CHARACTERS = 400_000

Encode = Callable[[list[str]], np.ndarray]
"""Texts -> ``[n, dims] float32``, unit length."""

Score = Callable[[list[tuple[str, str]]], np.ndarray]
"""Pairs of query and passage -> ``[n] float32``."""


class Request(BaseModel):
    """What every request may say: the model that must answer it; None: whatever is served."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: str | None = None


class EmbeddingRequest(Request):
    """Texts to embed."""

    texts: list[str] = Field(min_length=1)


class EmbeddingAnswer(BaseModel):
    """One vector of ``dims`` numbers for each text, in the order of the request, and the model that made them."""

    model_config = ConfigDict(frozen=True)

    version: str
    dims: int
    embeddings: list[list[float]]


class RerankRequest(Request):
    """Passages to judge by how well they answer the query."""

    query: str = Field(min_length=1)
    passages: list[str] = Field(min_length=1)


class RerankAnswer(BaseModel):
    """One score for each passage, in the order of the request, and the model that made them."""

    model_config = ConfigDict(frozen=True)

    version: str
    scores: list[float]


@dataclass(frozen=True, slots=True)
class ServedModel:
    """Which model a service serves: its version, and the length of its vectors (0: a reranker)."""

    version: str
    dims: int = 0


Asked = TypeVar("Asked", bound=Request)
Answer_co = TypeVar("Answer_co", bound=BaseModel, covariant=True)


class Handler(Protocol, Generic[Asked, Answer_co]):
    """One model behind a service."""

    model: ServedModel
    path: str
    most: int

    def check(self, body: bytes) -> Asked:
        """Read a request's JSON body.

        Raises ``UsageError`` for a body that is no such request or exceeds a limit, ``NotFound`` for a version that
        is not served here; both as one sentence.
        """

    def size(self, request: Asked) -> int:
        """How many texts the model reads for it; several requests of at most ``most`` go through it together."""

    def answer(self, requests: Sequence[Asked]) -> Sequence[Answer_co]:
        """Return one answer a request; all of them go through the model together."""


class EmbeddingHandler:
    """Encodes texts."""

    path = EMBED_PATH
    most = MAX_TEXTS

    def __init__(self, model: ServedModel, encode: Encode) -> None:
        self.model = model
        self._encode = encode

    def check(self, body: bytes) -> EmbeddingRequest:
        """Read a request; see ``Handler``."""
        request = _parsed(EmbeddingRequest, body, '{"texts": ["...", ...]}')
        _check_number(len(request.texts), MAX_TEXTS, "texts")
        _check_number(sum(map(len, request.texts)), MAX_CHARACTERS, "characters")
        _check_version(request, self.model)
        return request

    def size(self, request: EmbeddingRequest) -> int:
        """Return the number of texts."""
        return len(request.texts)

    def answer(self, requests: Sequence[EmbeddingRequest]) -> list[EmbeddingAnswer]:
        """Return the vectors of each request."""
        rows = self._encode([text for request in requests for text in request.texts])
        parts = _split(rows, [len(request.texts) for request in requests])
        return [
            EmbeddingAnswer(version=self.model.version, dims=self.model.dims, embeddings=part.tolist())
            for part in parts
        ]


class RerankHandler:
    """Scores passages."""

    path = RERANK_PATH
    most = MAX_PASSAGES

    def __init__(self, model: ServedModel, score: Score) -> None:
        self.model = model
        self._score = score

    def check(self, body: bytes) -> RerankRequest:
        """Read a request; see ``Handler``."""
        request = _parsed(RerankRequest, body, '{"query": "...", "passages": ["...", ...]}')
        _check_number(len(request.passages), MAX_PASSAGES, "passages")
        characters = len(request.query) * len(request.passages) + sum(map(len, request.passages))
        _check_number(characters, MAX_PAIR_CHARACTERS, "characters")
        _check_version(request, self.model)
        return request

    def size(self, request: RerankRequest) -> int:
        """Return the number of passages."""
        return len(request.passages)

    def answer(self, requests: Sequence[RerankRequest]) -> list[RerankAnswer]:
        """Return the scores of each request."""
        rows = self._score([(request.query, passage) for request in requests for passage in request.passages])
        parts = _split(rows, [len(request.passages) for request in requests])
        return [RerankAnswer(version=self.model.version, scores=part.tolist()) for part in parts]


def _split(rows: np.ndarray, sizes: Sequence[int]) -> list[np.ndarray]:
    return np.split(rows, np.cumsum(sizes)[:-1])


def _parsed(kind: type[Asked], body: bytes, example: str) -> Asked:
    try:
        return kind.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the body"
        raise UsageError(f"{where}: {first['msg']}; send {example}") from error


def _check_number(number: int, most: int, what: str) -> None:
    if number > most:
        raise UsageError(f"{number} {what} are too many for one request; send at most {most}")


def _check_version(request: Request, model: ServedModel) -> None:
    if request.version not in {None, model.version}:
        raise NotFound(f"model {request.version!r} is not served here; ask for {model.version!r} or leave it out")
