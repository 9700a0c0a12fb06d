"""Reranking inside Elasticsearch: an endpoint of ``_inference`` and the retriever ``text_similarity_reranker``.

Both are part of Elastic's Enterprise licence, or of its trial of 30 days; the basic licence refuses them. The node
needs the module x-pack-inference (``settings.elasticsearch.inference`` for the local stack).
"""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import Any, Final
from urllib.parse import quote

from searchloom.engines.reranking import PASSAGE_FIELD, PASSAGE_SCRIPT, Endpoint, RerankedSearch, harmless
from searchloom.engines.wire import Wire
from searchloom.errors import ServiceError, ServiceNotFound, ServiceRefused, Terminal
from searchloom.settings import EngineName

log = logging.getLogger(__name__)

_EMIT = f"{PASSAGE_SCRIPT}emit(passage);"


class ElasticsearchReranker:
    """An ``EngineReranker`` by the service ``custom`` of ``_inference``."""

    name: Final[EngineName] = "elasticsearch"

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def register(self, endpoint: Endpoint) -> str:
        """Create the inference endpoint, if it is not there; Elasticsearch asks it once before it believes it."""
        identifier = endpoint.id
        try:
            with suppress(ServiceNotFound):
                self._wire.call("GET", _path(identifier))
                return identifier
            self._wire.call("PUT", _path(identifier), _definition(endpoint))
        except ServiceRefused as error:
            raise _explained(error) from error
        log.info("elasticsearch calls the reranker %s as %s", endpoint.url, identifier)
        return identifier

    def remove(self, identifier: str) -> None:
        """Delete the inference endpoint."""
        with suppress(ServiceNotFound):
            self._wire.call("DELETE", _path(identifier), params={"force": "true"})

    def prepare(self, index: str) -> None:
        """Add the runtime field of the passage; given with the search alone, the reranker finds it empty (9.4.3)."""
        field = {"type": "keyword", "script": {"source": _EMIT}}
        self._wire.call("PUT", f"/{quote(index, safe='')}/_mapping", {"runtime": {PASSAGE_FIELD: field}})

    def search(self, identifier: str, query: dict[str, Any], text: str, *, depth: int) -> RerankedSearch:
        """Return the search; see ``EngineReranker``. A hit's score s becomes max(s, 0) + min(exp(s), 1)."""
        reranker = {
            "retriever": {"standard": {"query": query}},
            "field": PASSAGE_FIELD,
            "inference_id": identifier,
            "inference_text": harmless(text),
            "rank_window_size": depth,
        }
        body = {
            "size": depth,
            "retriever": {"text_similarity_reranker": reranker},
            "_source": {"excludes": ["embedding"]},
        }
        return RerankedSearch(body, {})

    def hits(self, index: str, search: RerankedSearch) -> list[dict[str, Any]]:
        """Run the search; see ``EngineReranker``."""
        answer = self._wire.call("POST", f"/{quote(index, safe='')}/_search", search.body, params=search.params)
        found: list[dict[str, Any]] = answer["hits"]["hits"]
        return found

    def close(self) -> None:
        """Let go of the connections."""
        self._wire.close()


def _path(identifier: str) -> str:
    return f"/_inference/rerank/{quote(identifier, safe='')}"


def _definition(endpoint: Endpoint) -> dict[str, Any]:
    parser = {"relevance_score": endpoint.scores if endpoint.indices else f"{endpoint.scores}[*]"}
    if endpoint.indices:
        parser["reranked_index"] = endpoint.indices
    settings: dict[str, Any] = {
        "url": endpoint.url,
        "headers": {"Content-Type": "application/json"},
        "request": endpoint.body("${query}", "${input}"),
        "response": {"json_parser": parser},
        "secret_parameters": {},
    }
    if secret := endpoint.authorization.get_secret_value():
        settings["secret_parameters"] = {"authorization": secret}
        settings["headers"]["Authorization"] = "${authorization}"
    return {"service": "custom", "service_settings": settings}


def _explained(error: ServiceError) -> Terminal:
    """Say what the licence, or the lack of the module, means."""
    said = str(error)
    if "non-compliant" in said:
        return Terminal(
            "the licence of this Elasticsearch does not include _inference: bring an Enterprise licence, or start the "
            "trial of 30 days with POST /_license/start_trial?acknowledge=true"
        )
    if "no handler found" in said:
        return Terminal(
            "this Elasticsearch has no module x-pack-inference: set elasticsearch.inference for the local stack and "
            "run 'make setup', or bring a whole distribution"
        )
    return Terminal(f"Elasticsearch does not take the reranker: {said}")
