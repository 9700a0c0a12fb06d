"""What is said to DashScope and what comes back: the calls that both clients make, without any network.

DashScope has two dialects: its own (``/api/v1/services/...``) and one compatible with OpenAI's
(``/compatible-mode/v1/...``; reranking under ``/compatible-api/v1/reranks``).
API: https://help.aliyun.com/en/model-studio/developer-reference/
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Literal

Dialect = Literal["native", "compatible"]
Vector = list[float]

MAX_DOCUMENTS = 500
"""Documents of one rerank call."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request; ``what`` is what errors name."""

    what: str
    path: str
    body: Any = None
    method: str = "POST"
    query: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Ranked:
    """A document's place in the list that was sent, and how well it answers the query (0 to 1)."""

    index: int
    score: float


@dataclass(frozen=True, slots=True)
class Answer:
    """What the model said; ``finish_reason`` is ``stop``, ``length`` or ``tool_calls``."""

    text: str
    finish_reason: str
    input_tokens: int
    output_tokens: int


@dataclass(frozen=True, slots=True)
class Delta:
    """The next piece of an answer; ``finish_reason`` is empty until the last."""

    text: str
    finish_reason: str
    input_tokens: int = 0
    output_tokens: int = 0


def batch_size(model: str) -> int:
    """How many texts an embedding model takes in one call."""
    return 25 if model.endswith(("-v1", "-v2")) else 10


def batches(items: Iterator[str], size: int) -> Iterator[list[str]]:
    """Cut a stream into lists of ``size``."""
    while batch := list(islice(items, size)):
        yield batch


def embedding(
    texts: Sequence[str], *, model: str, dims: int | None, text_type: Literal["query", "document"], dialect: Dialect
) -> Call:
    """Vectors of texts; only the native dialect tells a query from a document."""
    what = f"embeddings of {len(texts)} texts by {model!r}"
    body: dict[str, Any]
    if dialect == "compatible":
        body = {"model": model, "input": list(texts), "encoding_format": "float"}
        return Call(what, "/compatible-mode/v1/embeddings", body | ({"dimensions": dims} if dims else {}))
    parameters: dict[str, Any] = {"text_type": text_type, "output_type": "dense"}
    if dims:
        parameters["dimension"] = dims
    body = {"model": model, "parameters": parameters, "input": {"texts": list(texts)}}
    return Call(what, "/api/v1/services/embeddings/text-embedding/text-embedding", body)


def vectors(body: Mapping[str, Any]) -> list[Vector]:
    """The vectors of an answer, in the order of the texts."""
    if "data" in body:
        return [item["embedding"] for item in sorted(body["data"], key=lambda item: item["index"])]
    found = body["output"]["embeddings"]
    return [item["embedding"] for item in sorted(found, key=lambda item: item["text_index"])]


def rerank(
    query: str, documents: Sequence[str], *, model: str, top_n: int, instruction: str | None, dialect: Dialect
) -> Call:
    """The best ``top_n`` of at most 500 documents."""
    what = f"the order of {len(documents)} documents by {model!r}"
    said = {"instruct": instruction} if instruction else {}
    body: dict[str, Any]
    if dialect == "compatible":
        body = {"model": model, "query": query, "documents": list(documents), "top_n": top_n} | said
        return Call(what, "/compatible-api/v1/reranks", body)
    body = {
        "model": model,
        "parameters": {"top_n": top_n} | said,
        "input": {"query": query, "documents": list(documents)},
    }
    return Call(what, "/api/v1/services/rerank/text-rerank/text-rerank", body)


def ranking(body: Mapping[str, Any], *, offset: int) -> list[Ranked]:
    """The documents of an answer; ``offset`` is where the call's documents began in the whole list."""
    results = body["results"] if "results" in body else body["output"]["results"]
    return [Ranked(item["index"] + offset, float(item["relevance_score"])) for item in results]


def best(ranked: Sequence[Ranked], top_n: int) -> list[Ranked]:
    """The best of several calls: a score is about one query and one document, so that calls compare."""
    return sorted(ranked, key=lambda item: (-item.score, item.index))[:top_n]


def chat(
    messages: Sequence[Mapping[str, str]],
    *,
    model: str,
    temperature: float | None,
    max_tokens: int | None,
    stream: bool,
    dialect: Dialect,
) -> Call:
    """An answer to a conversation (``role``, ``content``)."""
    what = f"an answer of {model!r}"
    chosen = {"temperature": temperature, "max_tokens": max_tokens}
    limits = {name: value for name, value in chosen.items() if value is not None}
    sse = {"Accept": "text/event-stream"} if stream else {}
    if dialect == "compatible":
        streaming = {"stream": True, "stream_options": {"include_usage": True}} if stream else {}
        body: dict[str, Any] = {"model": model, "messages": list(messages), **limits, **streaming}
        return Call(what, "/compatible-mode/v1/chat/completions", body, headers=sse)
    parameters: dict[str, Any] = {**limits, "result_format": "message"}
    if stream:
        parameters["incremental_output"] = True
        sse |= {"X-DashScope-SSE": "enable", "X-Accel-Buffering": "no"}
    body = {"model": model, "parameters": parameters, "input": {"messages": list(messages)}}
    return Call(what, "/api/v1/services/aigc/text-generation/generation", body, headers=sse)


def answer(body: Mapping[str, Any]) -> Answer:
    """A whole answer of either dialect."""
    choice = _choices(body)[0]
    read, written = _usage(body)
    return Answer(choice["message"].get("content") or "", choice.get("finish_reason") or "", read, written)


def delta(event: Mapping[str, Any]) -> Delta:
    """One event of a stream of either dialect."""
    read, written = _usage(event)
    if not (choices := _choices(event)):  # the compatible dialect ends with an event that holds the usage alone
        return Delta("", "", read, written)
    piece = choices[0].get("delta") or choices[0].get("message") or {}
    reason = choices[0].get("finish_reason") or ""
    return Delta(piece.get("content") or "", "" if reason == "null" else reason, read, written)


def _choices(body: Mapping[str, Any]) -> Sequence[Any]:
    found: Sequence[Any] = body["choices"] if "choices" in body else body["output"]["choices"]
    return found


def _usage(body: Mapping[str, Any]) -> tuple[int, int]:
    usage = body.get("usage") or {}
    read = usage.get("input_tokens", usage.get("prompt_tokens", 0))
    return int(read), int(usage.get("output_tokens", usage.get("completion_tokens", 0)))
