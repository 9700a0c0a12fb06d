"""Reranking in both dialects: the cosine of MiniLM's vectors, blended with what the cross-encoder taught here says.

See ``teach_reranker`` for where that one comes from and how much its word counts; until it is there, and where it does
not help, the score is the cosine alone (0 where it is negative).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from localcloud.dashscope.errors import invalid_parameter, model_not_found
from localcloud.dashscope.request import Request
from localcloud.dashscope.worker import ModelWorker

RERANK_MODELS = ("gte-rerank-v2", "qwen3-rerank")
_MAX_DOCUMENTS = 500


class Reranking:
    """The two calls."""

    def __init__(self, worker: ModelWorker) -> None:
        self._worker = worker

    def native(self, request: Request) -> dict[str, Any]:
        """``input.query`` and ``input.documents`` to ``output.results``, the best first."""
        content = request.json()
        asked, parameters = content.get("input"), content.get("parameters") or {}
        if not isinstance(asked, dict) or not isinstance(parameters, dict):
            raise invalid_parameter("input and parameters must be objects.")
        results, tokens = self._rank(content.get("model"), asked, parameters)
        return {"output": {"results": results}, "usage": {"total_tokens": tokens}}

    def compatible(self, request: Request) -> dict[str, Any]:
        """The same with everything on one level."""
        content = request.json()
        results, tokens = self._rank(content.get("model"), content, content)
        usage = {"total_tokens": tokens}
        return {"object": "list", "results": results, "model": content["model"], "usage": usage}

    def _rank(
        self, model: object, asked: Mapping[str, Any], parameters: Mapping[str, Any]
    ) -> tuple[list[dict[str, Any]], int]:
        if model not in RERANK_MODELS:
            raise model_not_found(model)
        query, texts = asked.get("query"), _texts_of(asked.get("documents"))
        if not isinstance(query, str) or not query.strip():
            raise invalid_parameter("The query must be a text that is not empty: input.query")
        top_n = parameters.get("top_n", len(texts))
        if not isinstance(top_n, int) or isinstance(top_n, bool) or top_n < 1:
            raise invalid_parameter(f"top_n is {top_n!r}; it must be a whole number from 1.")
        scores, tokens = self._worker.rank(query, texts)
        order = sorted(range(len(texts)), key=lambda index: (-scores[index], index))[:top_n]
        results: list[dict[str, Any]] = [{"index": index, "relevance_score": scores[index]} for index in order]
        if parameters.get("return_documents") is True:
            results = [{**result, "document": {"text": texts[result["index"]]}} for result in results]
        return results, tokens


def _texts_of(documents: object) -> list[str]:
    if not isinstance(documents, list) or not documents:
        raise invalid_parameter("The documents must be a list of texts that is not empty: input.documents")
    if len(documents) > _MAX_DOCUMENTS:
        raise invalid_parameter(f"{len(documents)} documents were sent; at most {_MAX_DOCUMENTS} are allowed.")
    return [_text_of(document) for document in documents]


def _text_of(document: object) -> str:
    text = document.get("text") if isinstance(document, dict) else document
    if not isinstance(text, str):
        raise invalid_parameter("The documents must be texts: input.documents")
    return text
