"""The API's manners: bad calls, request ids, the OpenAPI document, the page."""

from __future__ import annotations

import json
import logging
import re
from typing import Any

import pytest
from fastapi.testclient import TestClient
from pydantic import SecretStr

from searchloom.cloud.oss import Oss
from searchloom.query.audit import Pseudonyms
from searchloom.query.middleware import MAX_BODY
from searchloom.settings import Settings
from tests.query.collection import CORPUS
from tests.query.conftest import live_index, publish, running, wait_for


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({"query": ""}, 422, "query"),
        ({"query": " \n\t "}, 422, "query"),
        ({"query": "x" * 2001}, 422, "query"),
        ({}, 422, "query"),
        ({"query": ["x"]}, 422, "query"),
        ({"query": "x", "k": 0}, 422, "k: "),
        ({"query": "x", "k": 101}, 422, "k: "),
        ({"query": "x", "k": "many"}, 422, "k: "),
        ({"query": "x", "offset": -1}, 422, "offset"),
        ({"query": "x", "mode": "magic"}, 422, "mode"),
        ({"query": "x", "engine": "solr"}, 422, "engine"),
        ({"query": "x", "tenant": "acme"}, 422, "tenant"),
        ({"query": "x", "groups": ["hr"]}, 422, "groups"),
        ({"query": "x", "corpus": "../secret"}, 422, "corpus"),
        ({"query": "x", "corpus": "unknown"}, 404, f"there are: .*{CORPUS}"),
        ([], 422, "the body"),
        (None, 422, "the body"),
    ],
)
def test_a_bad_request_is_told_what_is_wrong(client: TestClient, body: Any, status: int, words: str) -> None:
    response = client.post("/v1/search", json=body)
    assert response.status_code == status
    message = response.json()["error"]["message"]
    assert message.count("\n") == 0
    assert re.search(words, message), message


def test_bodies_that_are_no_json_are_refused(client: TestClient) -> None:
    for content in (b"{", b"\xff\xfe", b'{"query": "\\ud800"}', b""):
        response = client.post("/v1/search", content=content, headers={"Content-Type": "application/json"})
        assert response.status_code == 422, content[:20]
        assert response.json()["error"]["code"] == "invalid_request"
    deep = client.post("/v1/search", content=b"[" * 10_000, headers={"Content-Type": "application/json"})
    assert (deep.status_code, deep.json()["error"]["code"]) == (400, "bad_request")


def test_a_large_body_is_refused(client: TestClient) -> None:
    response = client.post("/v1/search", json={"query": "x" * MAX_BODY})
    assert response.status_code == 413
    assert response.json()["error"]["code"] == "too_large"


def test_unknown_paths_and_methods_answer_in_the_same_form(client: TestClient) -> None:
    assert client.get("/v1/nothing").json()["error"]["code"] == "not_found"
    refused = client.get("/v1/search")
    assert (refused.status_code, refused.json()["error"]["code"]) == (405, "method_not_allowed")
    assert refused.headers["allow"] == "POST"


def test_request_ids_come_back_and_into_the_access_log(client: TestClient, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="searchloom.query.access"):
        body = {"query": "merge", "corpus": CORPUS}
        given = client.post("/v1/search", json=body, headers={"x-request-id": "abc-123"})
        assert given.headers["x-request-id"] == "abc-123"
        made = client.post("/v1/search", json=body, headers={"x-request-id": 'bad "id"\\'})
        assert len(made.headers["x-request-id"]) == 32
    lines = [one.message for one in caplog.records if one.name == "searchloom.query.access"]
    line = json.loads(lines[0])
    user = Pseudonyms(SecretStr("tests")).of("default", "tester")
    assert (line["request_id"], line["status"], line["user"], line["tenant"]) == ("abc-123", 200, user, "default")
    assert not any("merge" in one for one in lines)  # what people look for is nobody's business


def test_a_fault_inside_shows_nothing_of_the_inside(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("searchloom.query.documents.best_chunks", None)
    response = client.post("/v1/search", json={"query": "merge", "corpus": CORPUS, "mode": "bm25"})
    assert response.status_code == 500
    assert response.json()["error"]["code"] == "internal"
    assert "NoneType" not in response.text
    assert "NoneType" in caplog.text
    assert response.headers["x-request-id"] in caplog.text


def test_corpora_lists_what_has_a_release(client: TestClient) -> None:
    listed = {entry["corpus"]: entry for entry in client.get("/v1/corpora").json()["corpora"]}
    assert listed[CORPUS]["release"] == 1
    assert listed[CORPUS]["embedding"] == "tiny-1"


def test_a_new_release_serves_within_seconds(served: Settings) -> None:
    index = live_index(served)
    publish(served, index, corpus="moving", number=1)
    with running(served) as client:
        body = {"query": "merge", "corpus": "moving"}
        assert client.post("/v1/search", json=body).json()["release"] == 1
        publish(served, index, corpus="moving", number=2)
        wait_for(lambda: client.post("/v1/search", json=body).json()["release"] == 2, seconds=10)
        Oss(served.oss).put("releases/moving/CURRENT", b"{broken")
        Oss(served.oss).put("releases/later/CURRENT", b"[]")
        wait_for(lambda: client.post("/v1/search", json=body).json()["release"] == 2, seconds=10)
        Oss(served.oss).delete("releases/later/CURRENT")
        Oss(served.oss).delete("releases/moving/CURRENT")
        wait_for(lambda: client.post("/v1/search", json=body).status_code == 404, seconds=10)


def test_the_service_is_alive_and_ready(client: TestClient) -> None:
    assert client.get("/healthz").json() == {"status": "ok"}
    ready = client.get("/readyz")
    assert ready.status_code == 200
    assert ready.json()["engines"] == {"opensearch": True, "elasticsearch": True}
    assert ready.json()["embedding"] is True


def test_the_openapi_document_tells_the_truth(client: TestClient) -> None:
    document = client.get("/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    search = document["paths"]["/v1/search"]["post"]
    documented = {"200", "400", "401", "403", "404", "413", "422", "429", "500", "503", "504"}
    assert set(search["responses"]) == documented
    for status, response in search["responses"].items():
        reference = response["content"]["application/json"]["schema"]["$ref"]
        assert reference.endswith("/SearchAnswer" if status == "200" else "/ErrorAnswer")
    assert search["security"] == [{"HTTPBearer": []}]
    assert not {"HTTPValidationError", "ValidationError"} & set(document["components"]["schemas"])
    assert {"/v1/search", "/v1/suggest", "/v1/corpora", "/healthz", "/readyz"} <= set(document["paths"])


def test_the_demo_token_is_given_on_loopback_only(served: Settings) -> None:
    def token(settings: Settings, host: str) -> str:
        with running(settings) as client:
            return _token(client.get("/", headers={"Host": host}).text)

    def changed(**fields: Any) -> Settings:
        return served.model_copy(update={"query": served.query.model_copy(update=fields)})

    given = token(served, "127.0.0.1:9630")
    assert given.count(".") == 2
    assert token(served, "localhost:9630")
    assert token(served, "rebound.example:9630") == ""
    assert token(changed(demo_token=False), "127.0.0.1:9630") == ""
    assert token(changed(url="http://0.0.0.0:9630"), "127.0.0.1:9630") == ""
    with running(served) as client:
        answer = client.post(
            "/v1/search", json={"query": "secret table", "corpus": CORPUS}, headers={"Authorization": f"Bearer {given}"}
        )
        assert {result["source_id"] for result in answer.json()["results"]}.isdisjoint({"plan.md", "acme.md"})


def _token(page: str) -> str:
    return page.split('name="searchloom-token" content="')[1].partition('"')[0]
