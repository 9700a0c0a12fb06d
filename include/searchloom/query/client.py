"""A small client of the query API, for the command line and the evaluation."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self

import requests

from searchloom.errors import ServiceRefused, ServiceUnavailable, UsageError
from searchloom.query.schemas import Mode
from searchloom.settings import EngineName

TIMEOUT_S = 30.0


class SearchClient:
    """Asks one query service, over connections that stay open. Not to be shared between threads."""

    def __init__(self, url: str, token: str) -> None:
        self.url = url.rstrip("/")
        self.session = requests.Session()
        self.session.trust_env = False  # a proxy of the environment has nothing to do with our own service
        self.session.headers["Authorization"] = f"Bearer {token}"

    def search(
        self,
        query: str,
        *,
        corpus: str = "default",
        mode: Mode = "hybrid",
        engine: EngineName | None = None,
        k: int = 10,
        offset: int = 0,
        explain: bool = False,
        highlight: bool = True,
        rerank: bool = True,
        **fields: Any,
    ) -> dict[str, Any]:
        """Return the answer of ``POST /v1/search`` as it came; ``fields`` are further ones of its body.

        Raises ``UsageError`` for a request that is wrong, ``ServiceRefused`` for a token that does not hold, and
        ``ServiceUnavailable`` when the service, or everything behind it, is down.
        """
        body = {
            "query": query,
            "corpus": corpus,
            "mode": mode,
            "engine": engine,
            "k": k,
            "offset": offset,
            "explain": explain,
            "highlight": highlight,
            "rerank": rerank,
            **fields,
        }
        return self.answer("POST", "/v1/search", body)

    def corpora(self) -> list[dict[str, Any]]:
        """Return the corpora that have a live release."""
        found: list[dict[str, Any]] = self.answer("GET", "/v1/corpora")["corpora"]
        return found

    def close(self) -> None:
        """Let go of the connections."""
        self.session.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def answer(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the JSON of any route; raises what ``search`` raises."""
        try:
            response = self.session.request(method, self.url + path, json=body, timeout=TIMEOUT_S)
        except requests.RequestException as error:
            raise ServiceUnavailable(
                f"the query service does not answer at {self.url}; start it with `searchloom up`"
            ) from error
        answer = json_of(response)
        if response.ok:
            return answer
        raise failure(response.status_code, answer, self.url)


def json_of(response: requests.Response) -> dict[str, Any]:
    """Return the object that a response holds; an empty one where it holds none."""
    try:
        answer = response.json()
    except requests.JSONDecodeError:
        answer = None
    return answer if isinstance(answer, dict) else {}


def failure(status: int, answer: dict[str, Any], url: str) -> Exception:
    """Return the error that a refusal of the service is."""
    error = answer.get("error", {})
    message = error.get("message") or f"the query service answered {status} without a reason"
    if status in {404, 413, 422} and error:
        return UsageError(message)
    facts = {"code": error.get("code", str(status)), "request_id": error.get("request_id", ""), "endpoint": url}
    if status < 500:
        return ServiceRefused(message, **facts)
    return ServiceUnavailable(message, **facts)
