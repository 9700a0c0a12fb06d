"""The core of the embedding service, whatever server stands around it: check a request, encode a batch of requests.

A request is ``{"texts": [...], "version": "..."}`` (``version`` is optional), its answer
``{"version": "...", "dims": n, "embeddings": [[...], ...]}`` with one unit-length vector a text, in the same order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from searchloom.errors import NotFound, UsageError

MAX_TEXTS = 64
MAX_CHARACTERS = 64_000
"""Of one request, all its texts together; a model of 256 tokens reads some 1,500 characters of a text."""

Encode = Callable[[list[str]], np.ndarray]
"""Texts -> ``[n, dims] float32``, unit length."""


class EmbeddingRequest(BaseModel):
    """Texts to embed, and the model that must do it; None: whatever is served."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    texts: list[str] = Field(min_length=1)
    version: str | None = None


class EmbeddingAnswer(BaseModel):
    """One vector of ``dims`` numbers for each text, in the order of the request, and the model that made them."""

    model_config = ConfigDict(frozen=True)

    version: str
    dims: int
    embeddings: list[list[float]]


@dataclass(frozen=True, slots=True)
class ServedModel:
    """Which model a service serves: its version, and the length of its vectors."""

    version: str
    dims: int

    def check(self, body: bytes) -> EmbeddingRequest:
        """Read a request's JSON body.

        Raises ``UsageError`` for a body that is no such request or exceeds a limit, ``NotFound`` for a version that
        is not served here; both as one sentence.
        """
        try:
            request = EmbeddingRequest.model_validate_json(body)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(str(part) for part in first["loc"]) or "the body"
            raise UsageError(f'{where}: {first["msg"]}; send {{"texts": ["...", ...]}}') from error
        if len(request.texts) > MAX_TEXTS:
            raise UsageError(f"{len(request.texts)} texts are too many for one request; send at most {MAX_TEXTS}")
        characters = sum(len(text) for text in request.texts)
        if characters > MAX_CHARACTERS:
            raise UsageError(f"{characters} characters are too many for one request; send at most {MAX_CHARACTERS}")
        if request.version not in {None, self.version}:
            raise NotFound(f"model {request.version!r} is not served here; ask for {self.version!r} or leave it out")
        return request


class EmbeddingHandler:
    """Encodes requests; several at once cost one run of the model."""

    def __init__(self, model: ServedModel, encode: Encode) -> None:
        self.model = model
        self._encode = encode

    def embed(self, requests: Sequence[EmbeddingRequest]) -> list[EmbeddingAnswer]:
        """Return one answer a request; all their texts go through the model together."""
        texts = [text for request in requests for text in request.texts]
        rows = self._encode(texts)
        answers = []
        start = 0
        for request in requests:
            end = start + len(request.texts)
            embeddings = rows[start:end].tolist()
            answers.append(EmbeddingAnswer(version=self.model.version, dims=self.model.dims, embeddings=embeddings))
            start = end
        return answers
