"""The OpenSearch dialect: its client, its vector field and its k-NN query."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from opensearchpy import AsyncOpenSearch, OpenSearch
from opensearchpy.exceptions import SerializationError, TransportError

from searchloom.engines.dialect import EF_CONSTRUCTION, HNSW_M, QUERY_CONNECTIONS, QUERY_TIMEOUT_S
from searchloom.engines.wire import LOAD_TIMEOUT_S, failure, headers
from searchloom.errors import ServiceError
from searchloom.settings import Engine, EngineName


class OpenSearchDialect:
    """What OpenSearch wants to have said differently."""

    name: Final[EngineName] = "opensearch"

    def index_settings(self) -> dict[str, Any]:
        """Index settings that only this engine knows."""
        return {"knn": True}

    def vector_field(self, dims: int) -> dict[str, Any]:
        """Mapping of ``embedding``: the lucene engine, so that graph and scores are those of Elasticsearch."""
        method = {
            "name": "hnsw",
            "engine": "lucene",
            "space_type": "cosinesimil",
            "parameters": {"m": HNSW_M, "ef_construction": EF_CONSTRUCTION},
        }
        return {"type": "knn_vector", "dimension": dims, "method": method}

    def vector_search(
        self, embedding: Sequence[float], filters: list[dict[str, Any]], *, size: int, candidates: int
    ) -> dict[str, Any]:
        """Search body for the nearest chunks; the lucene engine takes the breadth of its search from ``k``."""
        knn = {"vector": list(embedding), "k": candidates, "filter": {"bool": {"filter": filters}}}
        return {"size": size, "query": {"knn": {"embedding": knn}}}

    def lexical_score(self, score: float) -> float:
        """BM25 as Lucene gives it."""
        return score

    def connect(self, settings: Engine) -> OpenSearchWire:
        """Connect for loading."""
        return OpenSearchWire(settings)

    def connect_async(self, settings: Engine) -> AsyncOpenSearchWire:
        """Connect for searching."""
        return AsyncOpenSearchWire(settings)


class OpenSearchWire:
    """``opensearch-py``, blocking."""

    def __init__(self, settings: Engine) -> None:
        self._url = settings.url
        self._client = OpenSearch(**_options(settings), pool_maxsize=2, timeout=LOAD_TIMEOUT_S)

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
            return self._client.transport.perform_request(
                method, path, params=dict(params or {}), body=body, headers=headers(body)
            )
        except (TransportError, SerializationError) as error:
            raise _failure(error, self._url, f"{method} {path}") from error

    def close(self) -> None:
        """Let go of the connections."""
        self._client.close()


class AsyncOpenSearchWire:
    """``opensearch-py`` on an event loop; its session is opened by the first request."""

    def __init__(self, settings: Engine) -> None:
        self._url = settings.url
        self._client = AsyncOpenSearch(**_options(settings), maxsize=QUERY_CONNECTIONS, timeout=QUERY_TIMEOUT_S)

    async def call(self, method: str, path: str, body: dict[str, Any] | None = None, *, timeout_s: float) -> Any:
        """Send one request; see ``AsyncWire``."""
        try:
            return await self._client.transport.perform_request(
                method, path, body=body, headers=headers(body), timeout=timeout_s
            )
        except (TransportError, SerializationError) as error:
            raise _failure(error, self._url, f"{method} {path}") from error

    async def close(self) -> None:
        """Let go of the connections."""
        await self._client.close()


def _options(settings: Engine) -> dict[str, Any]:
    password = settings.password.get_secret_value()
    return {
        "hosts": [settings.url],
        "http_auth": (settings.username, password) if settings.username else None,
        "ca_certs": str(settings.ca_certs) if settings.ca_certs else None,
        "http_compress": False,
        "max_retries": 0,
        "retry_on_status": (),
    }


def _failure(error: TransportError | SerializationError, url: str, request: str) -> ServiceError:
    if isinstance(error, SerializationError) or not isinstance(error.status_code, int):
        return failure("opensearch", url, status=None, answer=str(error), request=request)
    return failure("opensearch", url, status=error.status_code, answer=error.info or error.error, request=request)
