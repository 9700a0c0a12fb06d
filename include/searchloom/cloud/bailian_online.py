"""DashScope for the query module: asynchronous embeddings, reranking and answers, streamed.

The caller's deadline bounds the repeats: cancel the call and they end.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from functools import partial
from typing import Any, Literal, TypeVar

import httpx

from searchloom import tracing
from searchloom.cloud import bailian_calls as calls
from searchloom.cloud.bailian_calls import Answer, Call, Delta, Dialect, Ranked, Vector
from searchloom.cloud.bailian_http import (
    SERVICE,
    Events,
    checked,
    client_arguments,
    request_arguments,
    said,
    understood,
    unreachable,
)
from searchloom.cloud.retry import repeatable
from searchloom.errors import ServiceUnavailable
from searchloom.settings import Bailian

T = TypeVar("T")


class BailianOnline:
    """The models of one account. Every method raises the ``Service*`` errors."""

    def __init__(self, settings: Bailian) -> None:
        self.endpoint = settings.url
        self._settings = settings
        self._http = httpx.AsyncClient(**client_arguments(settings))

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def embed(
        self,
        texts: Sequence[str],
        *,
        model: str | None = None,
        dims: int | None = None,
        text_type: Literal["query", "document"] = "query",
        dialect: Dialect = "native",
    ) -> list[Vector]:
        """Return a vector for each text, in order."""
        name = model or self._settings.embedding_model
        found: list[Vector] = []
        for batch in calls.batches(iter(texts), calls.batch_size(name)):
            call = calls.embedding(batch, model=name, dims=dims, text_type=text_type, dialect=dialect)
            found += await self._send(call, calls.vectors)
        return found

    async def rerank(
        self,
        query: str,
        documents: Sequence[str],
        *,
        top_n: int,
        model: str | None = None,
        instruction: str | None = None,
        dialect: Dialect = "native",
    ) -> list[Ranked]:
        """Return the best ``top_n`` documents, best first; more than 500 documents take several calls."""
        name = model or self._settings.rerank_model
        ranked: list[Ranked] = []
        for start in range(0, len(documents), calls.MAX_DOCUMENTS):
            part = documents[start : start + calls.MAX_DOCUMENTS]
            call = calls.rerank(
                query, part, model=name, top_n=min(top_n, len(part)), instruction=instruction, dialect=dialect
            )
            ranked += await self._send(call, partial(calls.ranking, offset=start))
        return calls.best(ranked, top_n)

    async def chat(
        self,
        messages: Sequence[Mapping[str, str]],
        *,
        model: str | None = None,
        temperature: float | None = None,
        max_tokens: int | None = None,
        dialect: Dialect = "native",
    ) -> Answer:
        """Return the whole answer to a conversation."""
        call = self._chat(messages, model, temperature, max_tokens, dialect, stream=False)
        return await self._send(call, calls.answer)

    async def chat_stream(
        self,
        messages: Sequence[Mapping[str, str]],
        *,
        model: str | None = None,
        temperature: float | None = None,
        max_tokens: int | None = None,
        dialect: Dialect = "native",
    ) -> AsyncGenerator[Delta, None]:
        """Yield the answer piece by piece; tried again only while nothing has come.

        Close the generator (``aclosing``) to leave early. Raises ``ServiceUnavailable`` where the stream ends before
        the answer does.
        """
        call = self._chat(messages, model, temperature, max_tokens, dialect, stream=True)
        response = await self._open(call)
        finished = False
        try:
            async with aclosing(self._deltas(response, call)) as deltas:
                async for delta in deltas:
                    finished = finished or bool(delta.finish_reason)
                    yield delta
        finally:
            await response.aclose()
        if not finished:
            raise ServiceUnavailable(f"{SERVICE} ended {call.what} half-way", endpoint=self.endpoint)

    def _chat(
        self,
        messages: Sequence[Mapping[str, str]],
        model: str | None,
        temperature: float | None,
        max_tokens: int | None,
        dialect: Dialect,
        *,
        stream: bool,
    ) -> Call:
        return calls.chat(
            messages,
            model=model or self._settings.chat_model,
            temperature=temperature,
            max_tokens=max_tokens,
            stream=stream,
            dialect=dialect,
        )

    @repeatable
    async def _send(self, call: Call, parse: Callable[[dict[str, Any]], T]) -> T:
        try:
            response = await self._http.request(**_traced(call))
        except httpx.HTTPError as error:
            raise unreachable(error, what=call.what, endpoint=self.endpoint) from error
        body = checked(response, what=call.what, endpoint=self.endpoint)
        return understood(parse, body, what=call.what, endpoint=self.endpoint)

    @repeatable
    async def _open(self, call: Call) -> httpx.Response:
        try:
            response = await self._http.send(self._http.build_request(**_traced(call)), stream=True)
            if "event-stream" in response.headers.get("content-type", ""):
                return response
            await response.aread()
            await response.aclose()
        except httpx.HTTPError as error:
            raise unreachable(error, what=call.what, endpoint=self.endpoint) from error
        checked(response, what=call.what, endpoint=self.endpoint)
        raise ServiceUnavailable(f"{SERVICE} did not stream {call.what}", endpoint=self.endpoint)

    async def _deltas(self, response: httpx.Response, call: Call) -> AsyncGenerator[Delta, None]:
        events = Events()
        try:
            async for line in response.aiter_lines():
                if (event := events.feed(line)) is None:
                    continue
                if event.get("code") or event.get("error"):
                    raise said(
                        event,
                        what=call.what,
                        endpoint=self.endpoint,
                        status=max(events.status, response.status_code),
                        headers=response.headers,
                    )
                yield understood(calls.delta, event, what=call.what, endpoint=self.endpoint)
        except httpx.HTTPError as error:
            raise unreachable(error, what=call.what, endpoint=self.endpoint) from error
        except ValueError as error:
            raise ServiceUnavailable(f"{SERVICE} sent no JSON about {call.what}", endpoint=self.endpoint) from error


def _traced(call: Call) -> dict[str, Any]:
    arguments = request_arguments(call)
    return arguments | {"headers": arguments["headers"] | tracing.outgoing()}
