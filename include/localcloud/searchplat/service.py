"""GetTextEmbedding and GetDocumentRank of the AI search platform, 2024-05-29, asked with an API key.

The models are those of DashScope's calls: this service passes its own form on to theirs.
"""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from localcloud.acs.errors import AcsError, invalid_parameter
from localcloud.acs.request import AcsRequest
from localcloud.acs.service import Operation, Product
from localcloud.dashscope.errors import DashScopeError
from localcloud.dashscope.request import Request

_WORKSPACE = "/v3/openapi/workspaces/{workspace}"
_EMBEDDERS = ("ops-text-embedding-001", "ops-text-embedding-zh-001", "ops-text-embedding-en-001")
_RANKERS = ("ops-bge-reranker-larger", "ops-text-reranker-001")
_MAX_TEXTS = 32
_MAX_DOCUMENTS = 100
# Texts in one question to DashScope's model.
_BATCH = 10
Call = Callable[[Request], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class SearchPlatformService:
    """Two calls; ``embed`` and ``rank`` are DashScope's own ones, in its native form."""

    embed: Call
    rank: Call

    def product(self) -> Product:
        """What the dispatcher needs to know."""
        operations = {
            "GetTextEmbedding": Operation("POST", f"{_WORKSPACE}/text-embedding/{{service}}", self.get_text_embedding),
            "GetDocumentRank": Operation("POST", f"{_WORKSPACE}/ranker/{{service}}", self.get_document_rank),
        }
        return Product("searchplat", "2024-05-29", operations, style="snake", takes_api_keys=True)

    def get_text_embedding(self, request: AcsRequest) -> dict[str, Any]:
        """``input`` (up to 32 texts) to vectors of 384 numbers."""
        began = time.monotonic()
        _check_service(request, _EMBEDDERS)
        asked = request.json()
        texts = _texts(asked, "input", _MAX_TEXTS)
        kind = asked.get("input_type") or "document"
        if kind not in {"document", "query"}:
            raise invalid_parameter("input_type", kind, "document or query")
        vectors: list[Any] = []
        tokens = 0
        for start in range(0, len(texts), _BATCH):
            content = {"model": "all-minilm-l6-v2", "input": {"texts": texts[start : start + _BATCH]}}
            answer = _asked(self.embed, content)
            vectors += [each["embedding"] for each in answer["output"]["embeddings"]]
            tokens += answer["usage"]["total_tokens"]
        embeddings = [{"index": index, "embedding": vector} for index, vector in enumerate(vectors)]
        return _answer(began, {"embeddings": embeddings}, {"token_count": tokens})

    def get_document_rank(self, request: AcsRequest) -> dict[str, Any]:
        """``docs`` (up to 100) with a score each, the best first."""
        began = time.monotonic()
        _check_service(request, _RANKERS)
        asked = request.json()
        documents, query = _texts(asked, "docs", _MAX_DOCUMENTS), asked.get("query")
        if not isinstance(query, str) or not query.strip():
            raise invalid_parameter("query", query, "a text that is not empty")
        content = {"model": "gte-rerank-v2", "input": {"query": query, "documents": documents}}
        answer = _asked(self.rank, content)
        scores = [{"index": each["index"], "score": each["relevance_score"]} for each in answer["output"]["results"]]
        return _answer(began, {"scores": scores}, {"doc_count": len(documents)})


def _check_service(request: AcsRequest, known: tuple[str, ...]) -> None:
    service = request.path_parameters["service"]
    if service not in known:
        raise AcsError(404, "ServiceNotFound", f"The service {service!r} is not one of {', '.join(known)}.")


def _texts(asked: Mapping[str, Any], name: str, limit: int) -> list[str]:
    given = asked.get(name)
    texts = [given] if isinstance(given, str) else given
    if not isinstance(texts, list) or not all(isinstance(each, str) and each.strip() for each in texts):
        raise invalid_parameter(name, given, "a list of texts that are not empty")
    if not 1 <= len(texts) <= limit:
        raise invalid_parameter(name, f"{len(texts)} texts", f"1 to {limit} texts")
    return texts


def _asked(call: Call, content: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return call(Request({}, {}, io.BytesIO(json.dumps(content).encode()), {}))
    except DashScopeError as error:
        raise AcsError(error.status, error.code, error.message) from None


def _answer(began: float, result: dict[str, Any], usage: dict[str, int]) -> dict[str, Any]:
    return {"latency": round((time.monotonic() - began) * 1000), "result": result, "usage": usage}
