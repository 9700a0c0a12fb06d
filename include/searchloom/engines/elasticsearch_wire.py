"""``elasticsearch-py`` as a ``Wire``: for loading, and whatever else may wait."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from elastic_transport import TransportError
from elasticsearch import ApiError, Elasticsearch

from searchloom.engines.wire import LOAD_TIMEOUT_S, failure, headers
from searchloom.errors import ServiceError
from searchloom.settings import Engine


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
