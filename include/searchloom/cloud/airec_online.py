"""AIRec for the query module: asynchronous recommendations over connections that stay open.

The signature is made by the vendor's own code; only the sending is ours, because the SDK opens a connection a call.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlsplit

import httpx
from alibabacloud_credentials.exceptions import CredentialException
from alibabacloud_tea_openapi.utils import Utils
from darabonba.request import DaraRequest

from searchloom import tracing
from searchloom.cloud.acs import Connection, expect_success
from searchloom.cloud.airec_rows import Recommendation, recommend_query, recommendations
from searchloom.cloud.failures import failure
from searchloom.cloud.retry import repeatable
from searchloom.errors import ServiceUnavailable, UsageError
from searchloom.settings import Acs, Airec

_ALGORITHM = "ACS3-HMAC-SHA256"
_NO_BODY = hashlib.sha256(b"").hexdigest()


class AirecOnline:
    """One instance of the recommender. The caller's deadline bounds the repeats."""

    def __init__(self, settings: Acs, airec: Airec) -> None:
        if not airec.instance_id:
            raise UsageError("airec.instance_id is empty; set the instance's id (airec-cn-...)")
        self._connection = Connection(settings, "airec")
        self.endpoint = self._connection.endpoint
        self._path = f"/v2/openapi/instances/{quote(airec.instance_id, safe='~')}/actions/recommend"
        self._scene_id = airec.scene_id
        timeout = httpx.Timeout(settings.read_timeout_s, connect=settings.connect_timeout_s)
        self._http = httpx.AsyncClient(base_url=self.endpoint, timeout=timeout)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def recommend(
        self,
        *,
        user_id: str,
        count: int,
        scene_id: str | None = None,
        items: Sequence[tuple[str, str]] = (),
        filters: Mapping[str, Any] | None = None,
        device_id: str | None = None,
        rank: bool | None = None,
    ) -> list[Recommendation]:
        """Return at most ``count`` (0-50) items for a user; see ``airec_rows.recommend_query`` for the rest."""
        query = recommend_query(
            user_id=user_id,
            scene_id=scene_id or self._scene_id,
            count=count,
            items=items,
            filters=filters,
            device_id=device_id,
            rank=rank,
        )
        return await self._get(query, f"recommendations for user {user_id!r}")

    @repeatable
    async def _get(self, query: Mapping[str, str], what: str) -> list[Recommendation]:
        headers = await self._signed(query, what) | tracing.outgoing()
        try:
            response = await self._http.get(self._path, params=dict(query), headers=headers)
        except httpx.HTTPError as error:
            reason = str(error) or type(error).__name__
            raise ServiceUnavailable(
                f"AIRec cannot be reached about {what}: {reason}", endpoint=self.endpoint
            ) from error
        return self._read(response, what)

    def _read(self, response: httpx.Response, what: str) -> list[Recommendation]:
        try:
            body = response.json()
            if response.is_success:
                expect_success(body, service="AIRec", what=what, endpoint=self.endpoint)
                return recommendations(body)
            given = {name.lower(): value for name, value in body.items()}
        except (ValueError, AttributeError, KeyError, TypeError) as error:
            raise ServiceUnavailable(f"AIRec answered something else about {what}", endpoint=self.endpoint) from error
        waits_ms = response.headers.get("x-acs-retry-after", "")
        raise failure(
            service="AIRec",
            what=what,
            status=response.status_code,
            code=str(given.get("code") or ""),
            message=str(given.get("message") or ""),
            request_id=str(given.get("requestid") or ""),
            endpoint=self.endpoint,
            retry_after_s=int(waits_ms) / 1000 if waits_ms.isdecimal() else None,
        )

    async def _signed(self, query: Mapping[str, str], what: str) -> dict[str, str]:
        try:
            keys = await self._connection.credentials.get_credential_async()
        except CredentialException as error:
            text = f"no credentials for {what} of AIRec: {error}; check acs.credentials and the role"
            raise ServiceUnavailable(text, endpoint=self.endpoint) from error
        request = DaraRequest()
        request.method, request.pathname, request.query = "GET", self._path, dict(query)
        request.headers = {
            "host": urlsplit(self.endpoint).netloc,
            "accept": "application/json",
            "user-agent": "searchloom",
            "x-acs-version": "2020-11-26",
            "x-acs-action": "Recommend",
            "x-acs-date": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "x-acs-signature-nonce": uuid.uuid4().hex,
            "x-acs-content-sha256": _NO_BODY,
            "x-acs-credentials-provider": keys.provider_name,
        }
        if keys.security_token:
            request.headers["x-acs-accesskey-id"] = keys.access_key_id
            request.headers["x-acs-security-token"] = keys.security_token
        request.headers["Authorization"] = Utils.get_authorization(
            request, _ALGORITHM, _NO_BODY, keys.access_key_id, keys.access_key_secret
        )
        return dict(request.headers)
