"""Recommendations on real engines, the local cloud's AIRec that really learns, and behaviour sent as events."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient

from searchloom.cloud.airec import Airec
from searchloom.cloud.airec_names import scope_tags, user_key
from searchloom.cloud.airec_rows import Row
from searchloom.cloud.oss import Oss
from searchloom.query import tokens
from searchloom.settings import Acs, Events, Settings
from searchloom.settings import Airec as AirecSettings
from tests.query.collection import CORPUS, DOCUMENTS
from tests.query.conftest import running

ID = {document.name: document.id for document in DOCUMENTS}
NAME = {document.id: document.name for document in DOCUMENTS}
MINE = {document.id for document in DOCUMENTS if document.tenant == "default" and "everyone" in document.groups}


@pytest.fixture(scope="module")
def own(served: Settings, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Nobody has done anything yet, whatever other tests left in the log."""
    oss = Oss(served.oss)
    for entry in list(oss.list("events/")):
        oss.delete(entry.key)
    return served.model_copy(
        update={"state": tmp_path_factory.mktemp("recommend"), "events": Events(expose=False, upload_s=60)}
    )


@pytest.fixture
def client(own: Settings) -> Iterator[TestClient]:
    """Its own behaviour, without AIRec."""
    with running(own.model_copy(update={"airec": AirecSettings()})) as connected:
        yield connected


@pytest.fixture
def user(own: Settings) -> Callable[..., dict[str, str]]:
    def made(name: str, tenant: str = "default", *groups: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {tokens.sign(own, user=name, tenant=tenant, groups=groups)}"}

    return made


def did(client: TestClient, headers: dict[str, str], item: str, kind: str = "click") -> None:
    event = {"event_id": uuid.uuid4().hex, "type": kind, "item_id": item, "corpus": CORPUS}
    assert client.post("/v1/events", json={"events": [event]}, headers=headers).json()["accepted"] == 1


def wish(client: TestClient, headers: dict[str, str], **fields: Any) -> dict[str, Any]:
    response = client.post("/v1/recommend", json={"corpus": CORPUS, "k": 5, **fields}, headers=headers)
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    found = [one["doc_id"] for one in answer["results"]]
    assert len(set(found)) == len(found) <= 5
    return answer


def test_next_to_a_document_stand_its_neighbours_and_never_itself(
    client: TestClient, user: Callable[..., dict[str, str]]
) -> None:
    answer = wish(client, user("anna"), scene="similar", item=ID["merge"])
    found = [one["doc_id"] for one in answer["results"]]
    assert ID["merge"] not in found
    assert set(found) <= MINE
    assert {one["source"] for one in answer["results"]} == {"similar"}
    assert answer["results"][0]["reason"] == "Much like DataFrame.merge"
    assert answer["degraded"] == []
    assert (answer["scene"], answer["release"]) == ("similar", 1)


def test_a_document_that_is_not_for_the_caller_is_not_there(
    client: TestClient, user: Callable[..., dict[str, str]]
) -> None:
    for item in (ID["acme"], ID["plan"], "0" * 32):
        refused = client.post(
            "/v1/recommend", json={"corpus": CORPUS, "scene": "similar", "item": item}, headers=user("anna")
        )
        assert refused.status_code == 404, NAME.get(item)
    assert wish(client, user("cfo", "default", "finance"), scene="similar", item=ID["plan"])["results"]


def test_at_home_comes_what_is_near_to_what_was_read_then_what_others_read(
    client: TestClient, user: Callable[..., dict[str, str]]
) -> None:
    assert wish(client, user("new"))["results"] == []
    for reader in ("r1", "r2", "r3"):
        did(client, user(reader), ID["parquet"])
    did(client, user("r1"), ID["script"], "like")
    popular = wish(client, user("new"))
    assert [NAME[one["doc_id"]] for one in popular["results"]] == ["parquet", "script"]
    assert {one["source"] for one in popular["results"]} == {"popular"}
    did(client, user("anna"), ID["merge"])
    answer = wish(client, user("anna"))
    found = [NAME[one["doc_id"]] for one in answer["results"]]
    assert answer["results"][0]["source"] == "similar"
    assert "merge" not in found


def test_what_was_read_does_not_come_again_and_what_was_disliked_leads_nowhere(
    client: TestClient, user: Callable[..., dict[str, str]]
) -> None:
    did(client, user("r1"), ID["concat"])
    did(client, user("ben"), ID["concat"])
    did(client, user("ben"), ID["merge"], "dislike")
    found = [one["doc_id"] for one in wish(client, user("ben"))["results"]]
    assert ID["concat"] not in found
    assert ID["merge"] not in found


def test_what_one_tenant_reads_is_not_popular_in_another(
    client: TestClient, user: Callable[..., dict[str, str]]
) -> None:
    did(client, user("boss", "acme"), ID["acme"])
    did(client, user("boss", "acme", "hr"), ID["acme-hr"])
    did(client, user("mole", "default"), ID["acme"])  # whoever knows an id can send events about it
    assert ID["acme"] not in [one["doc_id"] for one in wish(client, user("new", "default"))["results"]]
    found = [one["doc_id"] for one in wish(client, user("new", "acme"))["results"]]
    assert found == [ID["acme"]]  # and not what only the group hr may see


def test_in_a_conversation_comes_what_is_near_to_its_question(
    client: TestClient, user: Callable[..., dict[str, str]]
) -> None:
    answer = client.post(
        "/v1/chat",
        json={"message": "Which volcano erupted near Reykjavik?", "corpus": CORPUS, "stream": False},
        headers=user("anna"),
    ).json()
    recommended = wish(client, user("anna"), scene="rag_context", conversation_id=answer["conversation_id"])
    assert recommended["results"]
    assert {one["doc_id"] for one in recommended["results"]} <= MINE
    others = wish(client, user("ben"), scene="rag_context", conversation_id=answer["conversation_id"])
    assert others["degraded"] == ["memory"]


@pytest.mark.parametrize(
    "body", [{"scene": "similar"}, {"scene": "rag_context"}, {"k": 0}, {"k": 51}, {"scene": "cellar"}, {"item": "a/b"}]
)
def test_a_wrong_wish_is_answered_with_one_sentence(
    client: TestClient, user: Callable[..., dict[str, str]], body: dict[str, Any]
) -> None:
    refused = client.post("/v1/recommend", json={"corpus": CORPUS, **body}, headers=user("anna"))
    assert refused.status_code == 422
    assert refused.json()["error"]["message"]


@pytest.fixture(scope="module")
def taught(own: Settings) -> Settings:
    """AIRec knows all documents, of every tenant, and that people who read merge read concat."""
    airec = Airec(own.acs, own.airec)
    now = str(int(time.time()))
    items = [
        Row(
            {"item_id": one.id, "item_type": "article", "title": one.title, "pub_time": now, "status": "1"}
            | {"tags": ",".join(scope_tags(one.tenant, CORPUS))}
        )
        for one in DOCUMENTS
    ]
    seen = [("merge", "concat")] * 3 + [("acme", "plan")] * 5
    rows = [
        Row(
            {
                "user_id": user_key("default", f"teacher-{number}"),
                "item_id": ID[name],
                "item_type": "article",
                "bhv_type": "click",
                "bhv_time": now,
                "trace_id": "selfhold",
            }
        )
        for number, pair in enumerate(seen)
        for name in pair
    ]
    for table, batch in (("item", items), ("behavior", rows)):
        assert all(outcome.ok for outcome in airec.push(table, batch)), table
    recommend = own.recommend.model_copy(update={"airec_ms": 5000})
    return own.model_copy(
        update={"recommend": recommend, "query": own.query.model_copy(update={"deadline_ms": 20_000})}
    )


def test_airec_recommends_and_what_is_not_for_the_caller_is_left_out(
    taught: Settings, user: Callable[..., dict[str, str]]
) -> None:
    with running(taught) as client:
        answer = wish(client, user("anna"), scene="similar", item=ID["merge"])
        assert answer["degraded"] == []
        first = answer["results"][0]
        assert (NAME[first["doc_id"]], first["source"]) == ("concat", "airec")
        assert first["trace_id"].startswith("ali:")
        home = wish(client, user("anna"), scene="home")
        assert {one["doc_id"] for one in home["results"]} <= MINE
        clerk = wish(client, user("clerk", "acme"), scene="home")
        assert [NAME[one["doc_id"]] for one in clerk["results"]] == ["acme"]


def test_without_airec_the_engines_recommend_and_it_is_said(
    taught: Settings, user: Callable[..., dict[str, str]]
) -> None:
    gone = Acs(endpoint="http://127.0.0.1:9", access_key_id="x", access_key_secret="y", connect_timeout_s=1)
    with running(taught.model_copy(update={"acs": gone})) as client:
        answer = wish(client, user("anna"), scene="similar", item=ID["merge"])
    assert answer["degraded"] == ["airec"]
    assert {one["source"] for one in answer["results"]} == {"similar"}
