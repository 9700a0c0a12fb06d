"""The model services of a release: the query's vector from one, the judgment of passages from the other.

A release names its own services; one that names none has its vectors from ``settings.embedding.url``. Connections stay
open by service, so what serves and what takes over do not disturb each other.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import Any

from pydantic_core import from_json, to_json

from searchloom import tracing
from searchloom.errors import ServiceRefused, ServiceUnavailable
from searchloom.http_calls import HttpCalls, Unanswered
from searchloom.query.deadline import Deadline
from searchloom.release import wire
from searchloom.release.document import EmbeddingModel, Release, Reranker
from searchloom.settings import Settings

_REMEMBERED = 2048
"""Query vectors kept: the next page, the other engine and the other mode ask for the same one."""

_PING_S = 1.0
_CONNECTIONS = 64


class ModelServices:
    """A client of all model services, for one query at a time."""

    def __init__(self, settings: Settings) -> None:
        self._calls = HttpCalls(connections=_CONNECTIONS)
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
        await self._calls.close()

    def _address(self, service: str) -> str:
        return wire.address(service, self._gateway).rstrip("/") if service else self._own

    async def _healthy(self, url: str) -> bool:
        headers = wire.headers(url, self._token)
        try:
            status, _ = await self._calls.send("GET", url + wire.HEALTH_PATH, None, headers, timeout_s=_PING_S)
        except Unanswered:
            return False
        return status < 300

    async def _post(self, what: str, url: str, path: str, body: dict[str, Any], deadline: Deadline) -> Any:
        headers = {"Content-Type": "application/json", **wire.headers(url, self._token)}
        with tracing.calling(f"{what} POST {path}"):
            try:
                status, answer = await self._calls.send(
                    "POST", url + path, to_json(body), headers, timeout_s=deadline.remaining_s()
                )
            except Unanswered as error:
                raise ServiceUnavailable(f"{what} did not answer: {error}", endpoint=url) from error
        if status >= 300:
            busy = status in {429, 450} or status >= 500  # 450: the queue of EAS is full
            failure = ServiceUnavailable if busy else ServiceRefused
            words = answer[:300].decode("utf-8", "replace")
            raise failure(f"{what} refused: {words}", code=str(status), endpoint=url)
        try:
            return from_json(answer)
        except ValueError as error:
            raise ServiceRefused(f"{what} did not answer JSON; it is none of ours", endpoint=url) from error
