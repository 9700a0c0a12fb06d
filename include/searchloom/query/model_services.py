"""The model services of a release: the query's vector from one, the judgment of passages from the other.

A release names its own services; one that names none has its vectors from ``settings.embedding.url``. Connections stay
open by service, so what serves and what takes over do not disturb each other.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import Any

import httpx

from searchloom.errors import ServiceRefused, ServiceUnavailable
from searchloom.query.deadline import Deadline
from searchloom.release import wire
from searchloom.release.document import EmbeddingModel, Release, Reranker
from searchloom.settings import Settings

_REMEMBERED = 2048
"""Query vectors kept: the next page, the other engine and the other mode ask for the same one."""

_PING_S = 1.0


class ModelServices:
    """A client of all model services, for one query at a time."""

    def __init__(self, settings: Settings) -> None:
        limits = httpx.Limits(max_connections=64, max_keepalive_connections=32, keepalive_expiry=60.0)
        headers = {"Accept-Encoding": "identity"}
        self._client = httpx.AsyncClient(headers=headers, timeout=5.0, limits=limits, trust_env=False)
        self._own = settings.embedding.url.rstrip("/")
        self._token = settings.embedding.token
        self._gateway = settings.acs.endpoint
        self._remembered: OrderedDict[tuple[str, str], Sequence[float]] = OrderedDict()

    async def embed(self, text: str, model: EmbeddingModel, deadline: Deadline) -> Sequence[float]:
        """Return the vector of a text by exactly this model, ``[dims] float``.

        Raises ``ServiceUnavailable`` when its service is down or late, ``ServiceRefused`` when that serves another
        model: a vector of another model would find nothing but noise.
        """
        known = (model.version, text)
        if known in self._remembered:
            self._remembered.move_to_end(known)
            return self._remembered[known]
        body = {"texts": [text], "version": model.version}
        url = self._address(model.service)
        answer = await self._post("the embedding service", url, wire.EMBED_PATH, body, deadline)
        trouble = wire.wrong_answer(answer, version=model.version, dims=model.dims, count=1)
        if trouble:
            raise ServiceRefused(f"the embedding service {trouble}", endpoint=url)
        embedding: Sequence[float] = answer["embeddings"][0]
        self._remembered[known] = embedding
        if len(self._remembered) > _REMEMBERED:
            self._remembered.popitem(last=False)
        return embedding

    async def rerank(self, query: str, passages: Sequence[str], model: Reranker, deadline: Deadline) -> Sequence[float]:
        """Return one score a passage by exactly this model, the higher the better; raises what ``embed`` does."""
        body = {"query": query, "passages": list(passages), "version": model.version}
        url = self._address(model.service)
        answer = await self._post("the reranker", url, wire.RERANK_PATH, body, deadline)
        trouble = wire.wrong_answer(answer, version=model.version, count=len(passages))
        if trouble:
            raise ServiceRefused(f"the reranker {trouble}", endpoint=url)
        scores: Sequence[float] = answer["scores"]
        return scores

    async def ping(self, releases: Iterable[Release]) -> bool:
        """Whether the embedding services of these releases answer; without any release, the one of the settings."""
        urls = {self._address(one.embedding.service) for one in releases} or {self._own}
        return all(await asyncio.gather(*(self._healthy(url) for url in urls)))

    async def close(self) -> None:
        """Let go of the connections."""
        await self._client.aclose()

    def _address(self, service: str) -> str:
        return wire.address(service, self._gateway).rstrip("/") if service else self._own

    async def _healthy(self, url: str) -> bool:
        headers = wire.headers(url, self._token)
        try:
            return (await self._client.get(url + wire.HEALTH_PATH, headers=headers, timeout=_PING_S)).is_success
        except httpx.HTTPError:
            return False

    async def _post(self, what: str, url: str, path: str, body: dict[str, Any], deadline: Deadline) -> Any:
        try:
            async with asyncio.timeout(deadline.remaining_s()):  # httpx bounds each step, not their sum
                answer = await self._client.post(url + path, json=body, headers=wire.headers(url, self._token))
        except (httpx.HTTPError, TimeoutError) as error:
            reason = str(error) or type(error).__name__
            raise ServiceUnavailable(f"{what} did not answer: {reason}", endpoint=url) from error
        if not answer.is_success:
            busy = answer.status_code in {429, 450} or answer.is_server_error  # 450: the queue of EAS is full
            failure = ServiceUnavailable if busy else ServiceRefused
            raise failure(f"{what} refused: {answer.text[:300]}", code=str(answer.status_code), endpoint=url)
        try:
            return answer.json()
        except ValueError as error:
            raise ServiceRefused(f"{what} did not answer JSON; it is none of ours", endpoint=url) from error
