"""Page tokens: opaque, bound to their search, and nothing is shown twice or passed over."""

from __future__ import annotations

import hashlib

import pytest
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st

from searchloom.engines.interface import Access
from searchloom.errors import UsageError
from searchloom.query import paging
from searchloom.query.schemas import Filters, SearchRequest
from searchloom.settings import ENGINES, Settings
from tests.query.collection import CORPUS
from tests.query.conftest import live_index, publish, running, wait_for
from tests.query.test_search import MODES, Bearer, names, search

ACCESS = Access("default", ("b", "a"))
REQUEST = SearchRequest(query="merge tables", filters=Filters(language=("en",)))


def ids(count: int) -> list[str]:
    return [hashlib.sha256(str(n).encode()).hexdigest()[:32] for n in range(count)]


def followed(request: SearchRequest, token: str) -> SearchRequest:
    return request.model_copy(update={"page_token": token})


@given(pages=st.lists(st.integers(min_value=1, max_value=30), min_size=1, max_size=6))
def test_a_token_knows_every_document_that_was_shown(pages: list[int]) -> None:
    every = iter(ids(200))
    position, shown = None, []
    for size in pages:
        page = [next(every) for _ in range(size)]
        shown += page
        token = paging.token(REQUEST, ACCESS, 7, position, page)
        position = paging.read(followed(REQUEST, token), ACCESS)
    assert position is not None
    assert position.release == 7
    assert all(position.holds(doc_id) for doc_id in shown)
    assert not any(position.holds(doc_id) for doc_id in every)


@pytest.mark.parametrize("token", ["", "x", "AQ", "é", "!" * 40, "A" * 41, "AQAAAAc" + "A" * 200])
def test_a_damaged_token_is_refused(token: str) -> None:
    with pytest.raises(UsageError, match="page_token"):
        paging.read(followed(REQUEST, token), ACCESS)


@pytest.mark.parametrize(
    ("changed", "access"),
    [
        ({"query": "merge table"}, ACCESS),
        ({"corpus": "other"}, ACCESS),
        ({"mode": "bm25"}, ACCESS),
        ({"engine": "opensearch"}, ACCESS),
        ({"filters": Filters(language=("zh",))}, ACCESS),
        ({"personalize": False}, ACCESS),
        ({}, Access("acme", ACCESS.groups)),
        ({}, Access("default", ("a",))),
    ],
)
def test_a_token_of_another_search_is_refused(changed: dict[str, object], access: Access) -> None:
    token = paging.token(REQUEST, ACCESS, 1, None, ids(3))
    with pytest.raises(UsageError, match="another search"):
        paging.read(followed(REQUEST.model_copy(update=changed), token), access)


def test_what_is_shown_of_a_search_may_change_from_page_to_page() -> None:
    token = paging.token(REQUEST, ACCESS, 1, None, ids(3))
    other = REQUEST.model_copy(update={"k": 50, "explain": True, "highlight": False, "page_token": token})
    assert paging.read(other, Access("default", ("a", "b"))) is not None


@pytest.mark.parametrize("mode", MODES)
def test_pages_by_token_are_the_long_answer(client: TestClient, mode: str) -> None:
    whole = names(search(client, "table", mode=mode, k=100))
    found, token = [], None
    while True:
        answer = search(client, "table", mode=mode, k=2, page_token=token)
        found += names(answer)
        token = answer.get("next_page")
        if token is None:
            break
    assert found == whole


def test_another_engine_goes_on_where_the_first_one_stopped(served: Settings, client: TestClient) -> None:
    whole = set(names(search(client, "table", k=100)))
    first = search(client, "table", k=2)
    other = next(name for name in ENGINES if name != first["engine"])
    swapped = served.model_copy(update={"query": served.query.model_copy(update={"engine": other})})
    with running(swapped) as second:
        rest = search(second, "table", k=100, page_token=first["next_page"])
    assert rest["engine"] == other
    assert set(names(first)) | set(names(rest)) == whole
    assert not set(names(first)) & set(names(rest))


def test_the_next_page_is_of_the_release_that_the_first_one_was(served: Settings) -> None:
    index = live_index(served)
    publish(served, index, corpus="paged", number=1)
    with running(served) as client:
        first = search(client, "table", k=2, corpus="paged")
        publish(served, index, corpus="paged", number=2)
        wait_for(lambda: search(client, "table", corpus="paged")["release"] == 2, seconds=10)
        assert search(client, "table", corpus="paged", k=2, page_token=first["next_page"])["release"] == 1
    with running(served) as restarted:
        body = {"query": "table", "corpus": "paged", "page_token": first["next_page"]}
        refused = restarted.post("/v1/search", json=body)
        assert refused.status_code == 422
        assert "release 2 serves now" in refused.json()["error"]["message"]


def test_a_token_opens_nothing_to_another_caller(client: TestClient, bearer: Bearer) -> None:
    first = search(client, "secret table", k=1, headers=bearer("default", "finance"))
    body = {"query": "secret table", "corpus": CORPUS, "k": 100, "page_token": first["next_page"]}
    for who in (("default",), ("acme", "finance")):
        assert client.post("/v1/search", json=body, headers=bearer(*who)).status_code == 422
    both = client.post("/v1/search", json=body | {"offset": 3}, headers=bearer("default", "finance"))
    assert both.status_code == 422
