"""The Elasticsearch dialect: its client, its vector field and its k-NN search."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from elastic_transport import TransportError
from elasticsearch import ApiError, AsyncElasticsearch, Elasticsearch

from searchloom.engines.dialect import EF_CONSTRUCTION, HNSW_M, QUERY_CONNECTIONS, QUERY_TIMEOUT_S
from searchloom.engines.wire import LOAD_TIMEOUT_S, failure, headers
from searchloom.errors import ServiceError
from searchloom.settings import Engine, EngineName

_K1 = 1.2  # of the BM25 similarity: the default, which the mapping leaves as it is


class ElasticsearchDialect:
    """What Elasticsearch wants to have said differently."""

    name: Final[EngineName] = "elasticsearch"

    def index_settings(self) -> dict[str, Any]:
        """Index settings that only this engine knows."""
        return {}

    def vector_field(self, dims: int) -> dict[str, Any]:
        """Mapping of ``embedding``: full floats, because the default quantises and ranks differently."""
        options = {"type": "hnsw", "m": HNSW_M, "ef_construction": EF_CONSTRUCTION}
        return {
            "type": "dense_vector",
            "dims": dims,
            "index": True,
            "similarity": "cosine",
            "index_options": options,
        }

    def vector_search(
        self, embedding: Sequence[float], filters: list[dict[str, Any]], *, size: int, candidates: int
    ) -> dict[str, Any]:
        """Search body for the nearest chunks."""
        knn = {
            "field": "embedding",
            "query_vector": list(embedding),
            "k": size,
            "num_candidates": candidates,
            "filter": filters,
        }
        return {"size": size, "knn": knn}

    def lexical_score(self, score: float) -> float:
        """BM25 without the constant factor k1 + 1 that Elasticsearch kept and Lucene has dropped."""
        return score / (1 + _K1)

    def connect(self, settings: Engine) -> ElasticsearchWire:
        """Connect for loading."""
        return ElasticsearchWire(settings)

    def connect_async(self, settings: Engine) -> AsyncElasticsearchWire:
        """Connect for searching."""
        return AsyncElasticsearchWire(settings)


class ElasticsearchWire:
    """``elasticsearch-py``, blocking."""

    def __init__(self, settings: Engine) -> None:
        self._url = settings.url
        self._client = Elasticsearch(**_options(settings), connections_per_node=2, request_timeout=LOAD_TIMEOUT_S)

    def call(
        self,
        method: str,
        path: str,
        body: dict[str, Any] | bytes | None = None,
        *,
        params: Mapping[str, str] | None = None,
    ) -> Any:
        """Send one request; see ``Wire``."""
        try:
            return self._client.perform_request(method, path, params=params, body=body, headers=headers(body)).body
        except (ApiError, TransportError) as error:
            raise _failure(error, self._url, f"{method} {path}") from error

    def close(self) -> None:
        """Let go of the connections."""
        self._client.close()


class AsyncElasticsearchWire:
    """``elasticsearch-py`` on an event loop; its session is opened by the first request."""

    def __init__(self, settings: Engine) -> None:
        self._url = settings.url
        self._client = AsyncElasticsearch(
            **_options(settings), connections_per_node=QUERY_CONNECTIONS, request_timeout=QUERY_TIMEOUT_S
        )

    async def call(self, method: str, path: str, body: dict[str, Any] | None = None, *, timeout_s: float) -> Any:
        """Send one request; see ``AsyncWire``."""
        client = self._client.options(request_timeout=timeout_s)
        try:
            return (await client.perform_request(method, path, body=body, headers=headers(body))).body
        except (ApiError, TransportError) as error:
            raise _failure(error, self._url, f"{method} {path}") from error

    async def close(self) -> None:
        """Let go of the connections."""
        await self._client.close()


def _options(settings: Engine) -> dict[str, Any]:
    options: dict[str, Any] = {"hosts": [settings.url], "max_retries": 0, "retry_on_status": (), "http_compress": False}
    if settings.username:
        options["basic_auth"] = (settings.username, settings.password.get_secret_value())
    if settings.ca_certs:
        options["ca_certs"] = str(settings.ca_certs)
    return options


def _failure(error: ApiError | TransportError, url: str, request: str) -> ServiceError:
    if isinstance(error, TransportError):
        return failure("elasticsearch", url, status=None, answer=str(error), request=request)
    return failure("elasticsearch", url, status=error.status_code, answer=error.body, request=request)
