"""Reranking inside OpenSearch: an ml-commons connector, the remote model on it, and a search pipeline with ``rerank``.

The node needs the plugin ml-commons (``settings.opensearch.inference`` for the local stack).
"""

from __future__ import annotations

import ipaddress
import logging
import re
import time
from contextlib import suppress
from typing import Any, Final
from urllib.parse import quote, urlsplit

from searchloom.engines.reranking import PASSAGE_FIELD, PASSAGE_SCRIPT, Endpoint, RerankedSearch, harmless
from searchloom.engines.wire import Wire
from searchloom.errors import ServiceNotFound, ServiceRefused, ServiceUnavailable, Terminal
from searchloom.settings import EngineName

log = logging.getLogger(__name__)

_ML = "/_plugins/_ml"
_TRUSTED = "plugins.ml_commons.trusted_connector_endpoints_regex"
_PRIVATE = "plugins.ml_commons.connector.private_ip_enabled"
_ANY_NODE = "plugins.ml_commons.only_run_on_ml_node"
_DEPLOY_S = 60.0
_RETURN = f"{PASSAGE_SCRIPT}return passage;"


class OpenSearchReranker:
    """An ``EngineReranker`` by ml-commons; connector, model and pipeline all carry the endpoint's id as their name."""

    name: Final[EngineName] = "opensearch"

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def register(self, endpoint: Endpoint) -> str:
        """Make connector, model and pipeline, whichever are missing; the pipeline comes last and makes it whole."""
        identifier = endpoint.id
        try:
            self._allow(endpoint.url)
            found = self._named("connectors", identifier)
            connector = found[0] if found else self._connector(identifier, endpoint)
            models = self._named("models", identifier)
            model = models[0] if models else self._model(identifier, connector)
            self._deployed(model)
            rerank = {"ml_opensearch": {"model_id": model}, "context": {"document_fields": [PASSAGE_FIELD]}}
            self._wire.call("PUT", _pipeline(identifier), {"response_processors": [{"rerank": rerank}]})
        except ServiceRefused as error:
            raise _explained(error) from error
        log.info("opensearch calls the reranker %s as %s", endpoint.url, identifier)
        return identifier

    def remove(self, identifier: str) -> None:
        """Delete the pipeline, then what it stood on."""
        with suppress(ServiceNotFound):
            self._wire.call("DELETE", _pipeline(identifier))
        try:
            for model in self._named("models", identifier):
                self._wire.call("POST", f"{_ML}/models/{model}/_undeploy")
                self._wire.call("DELETE", f"{_ML}/models/{model}")
            for connector in self._named("connectors", identifier):
                self._wire.call("DELETE", f"{_ML}/connectors/{connector}")
        except ServiceRefused as error:
            raise _explained(error) from error

    def prepare(self, index: str) -> None:
        """Nothing to do: the search brings its own script for the passage."""

    def search(self, identifier: str, query: dict[str, Any], text: str, *, depth: int) -> RerankedSearch:
        """Return the search; see ``EngineReranker``. A hit's score is the reranker's own."""
        body = {
            "size": depth,
            "query": query,
            "script_fields": {PASSAGE_FIELD: {"script": {"source": _RETURN}}},
            "_source": {"excludes": ["embedding"]},
            "ext": {"rerank": {"query_context": {"query_text": harmless(text)}}},
        }
        return RerankedSearch(body, {"search_pipeline": identifier})

    def hits(self, index: str, search: RerankedSearch) -> list[dict[str, Any]]:
        """Run the search; see ``EngineReranker``."""
        answer = self._wire.call("POST", f"/{quote(index, safe='')}/_search", search.body, params=search.params)
        found: list[dict[str, Any]] = answer["hits"]["hits"]
        return found

    def close(self) -> None:
        """Let go of the connections."""
        self._wire.close()

    def _allow(self, url: str) -> None:
        """Let ml-commons call this host, and run on this cluster's nodes; what else it may call stays."""
        answer = self._wire.call(
            "GET", "/_cluster/settings", params={"include_defaults": "true", "flat_settings": "true"}
        )
        now = answer["defaults"] | answer["persistent"] | answer["transient"]
        if _TRUSTED not in now:
            raise Terminal(
                "this OpenSearch has no ml-commons: set opensearch.inference for the local stack and run 'make setup', "
                "or bring a whole distribution"
            )
        parts = urlsplit(url)
        host = f"^{re.escape(f'{parts.scheme}://{parts.netloc}/')}.*$"
        wanted: dict[str, Any] = {}
        if host not in now[_TRUSTED]:
            wanted[_TRUSTED] = [*now[_TRUSTED], host]
        if now.get(_ANY_NODE) != "false":
            wanted[_ANY_NODE] = False
        if _is_private(parts.hostname or "") and now.get(_PRIVATE) != "true":
            wanted[_PRIVATE] = True
        if wanted:
            self._wire.call("PUT", "/_cluster/settings", {"persistent": wanted})

    def _named(self, what: str, name: str) -> list[str]:
        """Return the ids of the connectors or models of this name, the oldest first."""
        query = {"query": {"term": {"name.keyword": name}}, "size": 100, "_source": ["name"]}
        try:
            answer = self._wire.call("POST", f"{_ML}/{what}/_search", query)
        except ServiceNotFound:  # nothing has ever been registered here
            return []
        return sorted(hit["_id"] for hit in answer["hits"]["hits"])

    def _connector(self, name: str, endpoint: Endpoint) -> str:
        headers = {"Content-Type": "application/json"}
        secret = endpoint.authorization.get_secret_value()
        action = {
            "action_type": "predict",
            "method": "POST",
            "url": endpoint.url,
            "headers": headers | ({"Authorization": "${credential.authorization}"} if secret else {}),
            "request_body": endpoint.body('"${parameters.query}"', "${parameters.documents}"),
            "pre_process_function": "connector.pre_process.cohere.rerank",
            "post_process_function": _post_process(endpoint),
        }
        answer = self._wire.call(
            "POST",
            f"{_ML}/connectors/_create",
            {
                "name": name,
                "description": f"Searchloom's reranker at {endpoint.url}",
                "version": "1",
                "protocol": "http",
                "parameters": {},
                "credential": {"authorization": secret or "none"},
                "actions": [action],
            },
        )
        return str(answer["connector_id"])

    def _model(self, name: str, connector: str) -> str:
        body = {"name": name, "function_name": "remote", "description": name, "connector_id": connector}
        return str(self._wire.call("POST", f"{_ML}/models/_register", body)["model_id"])

    def _deployed(self, model: str) -> None:
        """Deploy the model, if it is not, and wait for it."""
        deadline = time.monotonic() + _DEPLOY_S
        asked = False
        while (state := self._wire.call("GET", f"{_ML}/models/{model}")["model_state"]) != "DEPLOYED":
            if time.monotonic() > deadline:
                raise ServiceUnavailable(f"OpenSearch's model {model} is still {state}; see the server's log")
            if not asked or state == "DEPLOY_FAILED":
                self._wire.call("POST", f"{_ML}/models/{model}/_deploy")
                asked = True
            time.sleep(0.2)


def _pipeline(identifier: str) -> str:
    return f"/_search/pipeline/{quote(identifier, safe='')}"


def _is_private(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_private
    except ValueError:
        return False


_TENSORS = """\
StringBuilder answer = new StringBuilder('[');
for (int i = 0; i < scores.size(); i++) {
  if (i > 0) { answer.append(','); }
  answer.append('{"name":"similarity","data_type":"FLOAT32","shape":[1],"data":[');
  answer.append(scores[i]);
  answer.append(']}');
}
return answer.append(']').toString();
"""
"""One tensor for each of ``scores``: what ml-commons takes for the answer of a reranker."""


def _post_process(endpoint: Endpoint) -> str:
    """Return the Painless that turns the service's answer into tensors, in the order of the passages."""
    if not endpoint.indices:
        return f"def scores = params.{endpoint.scores.removeprefix('$.')};\n{_TENSORS}"
    rows, _, index = endpoint.indices.removeprefix("$.").partition("[*].")
    score = endpoint.scores.rpartition(".")[2]
    by_index = f"Map scores = new HashMap();\nfor (def row : params.{rows}) {{ scores[row.{index}] = row.{score}; }}\n"
    return by_index + _TENSORS


def _explained(error: ServiceRefused) -> Terminal:
    return Terminal(f"OpenSearch does not take the reranker: {error}")
