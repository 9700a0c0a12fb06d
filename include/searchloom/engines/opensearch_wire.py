"""``opensearch-py`` as a ``Wire``: for loading, and whatever else may wait."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from opensearchpy import OpenSearch
from opensearchpy.exceptions import SerializationError, TransportError

from searchloom.engines.wire import LOAD_TIMEOUT_S, failure, headers
from searchloom.errors import ServiceError
from searchloom.settings import Engine


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
