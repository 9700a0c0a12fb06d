"""The query's vector, from the embedding service."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import httpx

from searchloom.errors import ServiceRefused, ServiceUnavailable
from searchloom.query.deadline import Deadline
from searchloom.release.document import EmbeddingModel
from searchloom.settings import Embedding

PATH = "/predictions/custom_emb"
_REMEMBERED = 2048
"""Query vectors kept: the next page, the other engine and the other mode ask for the same one."""


class Embedder:
    """A client of the embedding service, for one text at a time."""

    def __init__(self, settings: Embedding) -> None:
        token = settings.token.get_secret_value()
        headers = {"Accept-Encoding": "identity"} | ({"Authorization": f"Bearer {token}"} if token else {})
        self._client = httpx.AsyncClient(base_url=settings.url, headers=headers, timeout=5.0, trust_env=False)
        self._url = settings.url
        self._remembered: OrderedDict[tuple[str, str], Sequence[float]] = OrderedDict()

    async def embed(self, text: str, model: EmbeddingModel, deadline: Deadline) -> Sequence[float]:
        """Return the vector of a text by exactly this model, ``[dims] float``.

        Raises ``ServiceUnavailable`` when the service is down or late, ``ServiceRefused`` when it serves another
        model: a vector of another model would find nothing but noise.
        """
        known = (model.version, text)
        if known in self._remembered:
            self._remembered.move_to_end(known)
            return self._remembered[known]
        embedding = self._checked(await self._post({"texts": [text], "version": model.version}, deadline), model)
        self._remembered[known] = embedding
        if len(self._remembered) > _REMEMBERED:
            self._remembered.popitem(last=False)
        return embedding

    async def ping(self) -> bool:
        """Whether the service answers."""
        try:
            return (await self._client.get("/health", timeout=1.0)).is_success
        except httpx.HTTPError:
            return False

    async def close(self) -> None:
        """Let go of the connections."""
        await self._client.aclose()

    async def _post(self, body: dict[str, Any], deadline: Deadline) -> Any:
        try:
            async with asyncio.timeout(deadline.remaining_s()):  # httpx bounds each step, not their sum
                answer = await self._client.post(PATH, json=body)
        except (httpx.HTTPError, TimeoutError) as error:
            reason = str(error) or type(error).__name__
            raise ServiceUnavailable(f"the embedding service did not answer: {reason}", endpoint=self._url) from error
        if answer.is_success:
            return answer.json()
        failure = ServiceUnavailable if answer.status_code == 429 or answer.is_server_error else ServiceRefused
        raise failure(
            f"the embedding service refused: {answer.text[:300]}", code=str(answer.status_code), endpoint=self._url
        )

    def _checked(self, answer: Any, model: EmbeddingModel) -> Sequence[float]:
        if answer.get("version") != model.version:
            raise ServiceRefused(
                f"the embedding service answered with model {answer.get('version')!r}, the release needs "
                f"{model.version!r}; serve that one",
                endpoint=self._url,
            )
        embedding: Sequence[float] = answer["embeddings"][0]
        if len(embedding) != model.dims:
            raise ServiceRefused(
                f"the embedding service answered {len(embedding)} dimensions, the release needs {model.dims}",
                endpoint=self._url,
            )
        return embedding
