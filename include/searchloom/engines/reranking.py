"""The engines' own way to rerank: they call the model's service themselves, within a search.

An ``Endpoint`` says where a reranker answers and what its request and its answer look like; an ``EngineReranker``
registers it in one engine, adds the reranking to a search, and takes it away again. The query module does not go this
way: it blends the reranker's score with that of the fused ranking, which neither engine can.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from typing import Any, Protocol

from pydantic import SecretStr

from searchloom.release import wire
from searchloom.settings import Bailian, EngineName

BAILIAN_PATH = "/api/v1/services/rerank/text-rerank/text-rerank"

QUERY, PASSAGES = '"$query"', '"$passages"'
"""What a request's template has in the place of the query, and of the list of passages; with their quotes."""

PASSAGE_FIELD = "passage"
PASSAGE_SCRIPT = """\
StringBuilder words = new StringBuilder();
for (String name : ['title', 'section', 'text']) {
  def part = params._source[name];
  if (part != null && part != '') { if (words.length() > 0) { words.append((char) 10); } words.append(part); }
}
String passage = words.toString().replace('${', '$ {');
"""
"""Painless for ``schemas.embedding_text``, into ``passage``: an engine's reranker reads what every other one reads.

But for ``${``: both engines take it for a placeholder of the request, wherever it stands, and then the whole search
fails, or the passage is changed.
"""


def harmless(text: str) -> str:
    """Return a query that an engine puts into the request as it is; see ``PASSAGE_SCRIPT``."""
    return text.replace("${", "$ {")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A reranker behind HTTP.

    ``request`` is the body as JSON with ``QUERY`` and ``PASSAGES`` in it. ``scores`` and ``indices`` are JSON paths
    into the answer; without ``indices`` the scores stand in the order of the passages.
    """

    url: str
    authorization: SecretStr
    request: str
    scores: str
    indices: str = ""
    label: str = "reranker"

    @property
    def id(self) -> str:
        """What both engines call it: another address, model or token is another id, so nothing is ever overwritten."""
        told = (self.url, self.authorization.get_secret_value(), self.request, self.scores, self.indices)
        slug = re.sub(r"[^a-z0-9]+", "-", self.label.lower()).strip("-")[:40]
        return f"searchloom-{slug}-{hashlib.sha256(json.dumps(told).encode()).hexdigest()[:12]}"

    def body(self, query: str, passages: str) -> str:
        """Return the request with an engine's own placeholders."""
        return self.request.replace(QUERY, query).replace(PASSAGES, passages)


def of_service(url: str, version: str, token: SecretStr) -> Endpoint:
    """Describe one of our model services, on PAI-EAS or elsewhere; it refuses to answer for another version."""
    return Endpoint(
        url=url.rstrip("/") + wire.RERANK_PATH,
        authorization=SecretStr(wire.headers(url, token).get("Authorization", "")),
        request=json.dumps({"query": "$query", "passages": "$passages", "version": version}),
        scores="$.scores",
        label=version,
    )


def of_bailian(settings: Bailian) -> Endpoint:
    """Describe Bailian's text-rerank with the settings' model."""
    content = {"query": "$query", "documents": "$passages"}
    return Endpoint(
        url=settings.url.rstrip("/") + BAILIAN_PATH,
        authorization=SecretStr(f"Bearer {settings.api_key.get_secret_value()}"),
        request=json.dumps({"model": settings.rerank_model, "input": content}),
        scores="$.output.results[*].relevance_score",
        indices="$.output.results[*].index",
        label=settings.rerank_model,
    )


@dataclass(frozen=True, slots=True)
class RerankedSearch:
    """A search that reranks: the body, and what must stand behind the ``?`` of its address."""

    body: dict[str, Any]
    params: dict[str, str]


class EngineReranker(Protocol):
    """Reranking inside one engine. Raises the ``Service...`` errors, and ``Terminal`` where the engine lacks it."""

    @property
    def name(self) -> EngineName:
        """Which engine this is."""

    def register(self, endpoint: Endpoint) -> str:
        """Make the engine know this reranker and return its id; what is there already is found, not made again."""

    def remove(self, identifier: str) -> None:
        """Take a reranker away with everything that was made for it; nothing happens where there is none."""

    def prepare(self, index: str) -> None:
        """Make the passages of an index readable to the reranker; nothing is indexed again, repeating is harmless."""

    def search(self, identifier: str, query: dict[str, Any], text: str, *, depth: int) -> RerankedSearch:
        """Return the search whose ``depth`` best hits by ``query`` are put in the order of how they answer ``text``."""

    def hits(self, index: str, search: RerankedSearch) -> list[dict[str, Any]]:
        """Run the search and return the engine's hits, best first."""

    def close(self) -> None:
        """Let go of the connections."""
