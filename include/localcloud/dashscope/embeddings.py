"""Text embeddings in both dialects: the documented limits of each model, and vectors of the packaged one.

The packaged model makes 384 numbers. A model of more is answered with zeros behind them, which leaves every cosine as
it is; one of fewer with the first ones, made unit length again.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from localcloud.dashscope.errors import invalid_parameter, model_not_found
from localcloud.dashscope.request import Request
from localcloud.dashscope.worker import ModelWorker


@dataclass(frozen=True, slots=True)
class Limits:
    """Texts of a call, tokens of a text, and the lengths that vectors may have, of which the first is the default."""

    texts: int
    tokens: int
    dims: tuple[int, ...]


MODELS: Mapping[str, Limits] = {
    "text-embedding-v1": Limits(25, 2048, (1536,)),
    "text-embedding-v2": Limits(25, 2048, (1536,)),
    "text-embedding-v3": Limits(10, 8192, (1024, 768, 512, 256, 128, 64)),
    "text-embedding-v4": Limits(10, 8192, (1024, 2048, 1536, 768, 512, 256, 128, 64)),
    "all-minilm-l6-v2": Limits(10, 8192, (384,)),
}
"""The cloud's models and, under its own name, the one that does the work for all of them."""


class Embeddings:
    """The two calls."""

    def __init__(self, worker: ModelWorker) -> None:
        self._worker = worker

    def native(self, request: Request) -> dict[str, Any]:
        """``input.texts`` to ``output.embeddings``."""
        content = request.json()
        asked, parameters = content.get("input"), content.get("parameters") or {}
        if not isinstance(asked, dict) or not isinstance(parameters, dict):
            raise invalid_parameter("input and parameters must be objects.")
        if parameters.get("text_type", "document") not in {"query", "document"}:
            raise invalid_parameter(f"text_type is {parameters['text_type']!r}; it must be query or document.")
        if parameters.get("output_type", "dense") != "dense":
            raise invalid_parameter(f"output_type is {parameters['output_type']!r}; only dense is served here.")
        vectors, tokens = self._embed(content.get("model"), asked.get("texts"), parameters.get("dimension"))
        embeddings = [{"text_index": index, "embedding": vector} for index, vector in enumerate(vectors)]
        return {"output": {"embeddings": embeddings}, "usage": {"total_tokens": tokens}}

    def compatible(self, request: Request) -> dict[str, Any]:
        """``input`` to ``data``, in OpenAI's form; vectors come as numbers whatever ``encoding_format`` says."""
        content = request.json()
        model = content.get("model")
        vectors, tokens = self._embed(model, content.get("input"), content.get("dimensions"))
        data = [{"object": "embedding", "index": index, "embedding": vector} for index, vector in enumerate(vectors)]
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        return {"object": "list", "data": data, "model": model, "usage": usage}

    def _embed(self, model: object, given: object, dims: object) -> tuple[list[list[float]], int]:
        limits = MODELS.get(model) if isinstance(model, str) else None
        if limits is None:
            raise model_not_found(model)
        texts = _texts_of(given, limits)
        length = limits.dims[0] if dims is None else dims
        if isinstance(length, bool) or not isinstance(length, int) or length not in limits.dims:
            known = ", ".join(map(str, sorted(limits.dims)))
            raise invalid_parameter(f"dimension is {dims!r}; {model} makes vectors of {known}.")
        answer = self._worker.ask({"texts": texts, "max_tokens": limits.tokens})
        if not answer["vectors"]:
            raise invalid_parameter(f"Range of input length should be [1, {limits.tokens}].")
        return [fitted(vector, length) for vector in answer["vectors"]], sum(answer["tokens"])


def _texts_of(given: object, limits: Limits) -> list[str]:
    texts = [given] if isinstance(given, str) else given
    if not isinstance(texts, list) or not texts or not all(isinstance(text, str) for text in texts):
        raise invalid_parameter("The input must be a text or a list of texts that is not empty: input.contents")
    if len(texts) > limits.texts:
        raise invalid_parameter(f"batch size is invalid, it should not be larger than {limits.texts}.: input.contents")
    if not all(text.strip() for text in texts):
        raise invalid_parameter(f"Range of input length should be [1, {limits.tokens}].")
    return texts


def fitted(vector: Sequence[float], length: int) -> list[float]:
    """A vector of another length with the same cosines, or nearly: zeros behind it, or its beginning of unit length."""
    if length >= len(vector):
        return [*vector, *([0.0] * (length - len(vector)))]
    part = vector[:length]
    norm = math.hypot(*part) or 1.0
    return [number / norm for number in part]
