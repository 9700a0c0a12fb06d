"""The client of the other channels, for the command line and the benchmarks: chat as it is written, recommendations."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import requests

from searchloom.errors import ServiceUnavailable
from searchloom.query.client import SearchClient, failure, json_of

_CONNECT_S, _SILENCE_S = 5.0, 60.0
"""A service that is at work says so every 15 seconds."""


class ChannelsClient(SearchClient):
    """Asks one query service; see ``SearchClient``."""

    def chat(self, message: str, *, corpus: str = "default", **fields: Any) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield the events of ``POST /v1/chat`` as they come: their names (``passages``, ``delta``, ``done``) and data.

        ``fields`` are further ones of the body. Raises what ``search`` raises, also for an event ``error``.
        """
        body = {"message": message, "corpus": corpus, "stream": True, **fields}
        url = f"{self.url}/v1/chat"
        try:
            with self.session.post(url, json=body, stream=True, timeout=(_CONNECT_S, _SILENCE_S)) as response:
                if not response.ok:
                    raise failure(response.status_code, json_of(response), self.url)
                yield from self._events(response)
        except requests.RequestException as error:
            raise ServiceUnavailable(
                f"the query service does not answer at {self.url}; start it with `searchloom up`"
            ) from error

    def recommend(self, *, corpus: str = "default", scene: str = "home", k: int = 10, **fields: Any) -> dict[str, Any]:
        """Return the answer of ``POST /v1/recommend`` as it came; raises what ``search`` raises."""
        return self.answer("POST", "/v1/recommend", {"corpus": corpus, "scene": scene, "k": k, **fields})

    def _events(self, response: requests.Response) -> Iterator[tuple[str, dict[str, Any]]]:
        name = ""
        for line in response.iter_lines(chunk_size=None, decode_unicode=False):
            kind, _, value = line.decode().partition(": ")
            if kind == "event":
                name = value
            elif kind == "data":
                data: dict[str, Any] = json.loads(value)
                if name == "error":
                    raise failure(503, {"error": data}, self.url)
                yield name, data
