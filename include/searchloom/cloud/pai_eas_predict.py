"""Calls a service of PAI-EAS: bytes in, bytes out. Not signed: the service's own token opens it.

API: https://help.aliyun.com/en/pai/user-guide/call-a-service-over-a-public-endpoint
"""

from __future__ import annotations

import httpx
from pydantic import SecretStr

from searchloom.cloud.failures import failure
from searchloom.cloud.retry import repeatable
from searchloom.errors import ServiceUnavailable

_CONNECT_S = 3.0
_OCTETS = "application/octet-stream"


class _Target:
    """Where a service answers; ``url`` is the endpoint of ``DescribeService``, ``.../api/predict/{service}``."""

    def __init__(self, *, url: str, token: SecretStr, timeout_s: float) -> None:
        self.url = url.rstrip("/")
        self.timeout = httpx.Timeout(timeout_s, connect=_CONNECT_S)
        self.headers = {"Authorization": token.get_secret_value()}
        self.what = f"service {self.url.rpartition('/')[2]!r}"

    def checked(self, response: httpx.Response) -> bytes:
        if response.is_success:
            return response.content
        raise failure(
            service="PAI-EAS",
            what=self.what,
            status=response.status_code,
            message=response.text[:300],
            request_id=response.headers.get("x-eas-request-id", ""),
            endpoint=self.url,
        )

    def unreachable(self, error: httpx.HTTPError) -> ServiceUnavailable:
        reason = str(error) or type(error).__name__
        return ServiceUnavailable(f"{self.what} of PAI-EAS cannot be reached: {reason}", endpoint=self.url)


class Predictor:
    """One service, called from a task; every prediction may be repeated."""

    def __init__(self, *, url: str, token: SecretStr, timeout_s: float = 30) -> None:
        self._target = _Target(url=url, token=token, timeout_s=timeout_s)
        self.endpoint = self._target.url
        self._http = httpx.Client(timeout=self._target.timeout, headers=self._target.headers)

    @repeatable
    def predict(self, data: bytes, *, content_type: str = _OCTETS) -> bytes:
        """Return what the service makes of the data."""
        try:
            response = self._http.post(self.endpoint, content=data, headers={"Content-Type": content_type})
        except httpx.HTTPError as error:
            raise self._target.unreachable(error) from error
        return self._target.checked(response)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()


class AsyncPredictor:
    """One service, called from the query module; the caller's deadline bounds the repeats."""

    def __init__(self, *, url: str, token: SecretStr, timeout_s: float = 3) -> None:
        self._target = _Target(url=url, token=token, timeout_s=timeout_s)
        self.endpoint = self._target.url
        self._http = httpx.AsyncClient(timeout=self._target.timeout, headers=self._target.headers)

    @repeatable
    async def predict(self, data: bytes, *, content_type: str = _OCTETS) -> bytes:
        """Return what the service makes of the data."""
        try:
            response = await self._http.post(self.endpoint, content=data, headers={"Content-Type": content_type})
        except httpx.HTTPError as error:
            raise self._target.unreachable(error) from error
        return self._target.checked(response)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()
