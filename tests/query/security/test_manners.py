"""Who may ask how much, who may do what, and what is written down of it."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import ClassVar

import pytest
from fastapi.testclient import TestClient
from limits.aio.storage import MemoryStorage
from limits.errors import StorageError
from pydantic import SecretStr

from searchloom.engines.interface import Access
from searchloom.errors import UsageError
from searchloom.query import tokens
from searchloom.query.audit import Pseudonyms, decision
from searchloom.query.auth import Caller
from searchloom.query.limits import Limits, TooMany, Turnstile
from searchloom.settings import Limits as LimitSettings
from searchloom.settings import Settings
from tests.query.collection import CORPUS
from tests.query.conftest import running

SEARCH = {"query": "merge", "corpus": CORPUS, "mode": "bm25"}


def caller(user: str = "anna", tenant: str = "default") -> Caller:
    return Caller(user, Access(tenant))


def bearer(settings: Settings, user: str, tenant: str = "default", **more: list[str]) -> dict[str, str]:
    return {"Authorization": f"Bearer {tokens.sign(settings, user=user, tenant=tenant, **more)}"}


@pytest.fixture(scope="module")
def limited(served: Settings) -> Iterator[tuple[TestClient, Settings]]:
    own = served.model_copy(update={"limits": LimitSettings(user_per_minute=5, tenant_per_minute=12)})
    with running(own) as connected:
        yield connected, own


def test_who_asks_too_fast_is_told_when_to_come_again_and_nobody_else_notices(
    limited: tuple[TestClient, Settings],
) -> None:
    client, settings = limited
    answers = [client.post("/v1/search", json=SEARCH, headers=bearer(settings, "hasty", "t1")) for _ in range(7)]
    assert [answer.status_code for answer in answers] == [200] * 5 + [429] * 2
    assert answers[-1].json()["error"]["code"] == "too_many_requests"
    assert 1 <= int(answers[-1].headers["retry-after"]) <= 60
    assert client.post("/v1/search", json=SEARCH, headers=bearer(settings, "other", "t1")).status_code == 200
    assert client.post("/v1/search", json=SEARCH, headers=bearer(settings, "hasty", "t2")).status_code == 200


def test_a_tenant_has_a_limit_of_its_own(limited: tuple[TestClient, Settings]) -> None:
    client, settings = limited
    statuses = [
        client.post("/v1/search", json=SEARCH, headers=bearer(settings, f"u{number}", "t3")).status_code
        for number in range(14)
    ]
    assert statuses == [200] * 12 + [429] * 2


async def test_a_budget_is_spent_by_the_hour_and_by_the_user() -> None:
    limits = Limits(LimitSettings(user_tokens_per_hour=100, user_model_s_per_hour=10))
    await limits.afford(caller())
    await limits.spend(caller(), tokens=250, seconds=0.2)  # the last answer may cost more than was left
    with pytest.raises(TooMany, match="100 tokens"):
        await limits.afford(caller())
    await limits.afford(caller("ben"))
    await limits.afford(caller("anna", "acme"))
    await limits.spend(caller("ben"), tokens=1, seconds=11)
    with pytest.raises(TooMany, match="10 seconds"):
        await limits.afford(caller("ben"))


class DownStorage(MemoryStorage):
    """A store of counters that does not answer; the real ones are servers of their own."""

    STORAGE_SCHEME: ClassVar[list[str]] = ["async+down"]

    async def get(self, key: str) -> int:
        raise StorageError(ConnectionError(key))

    async def incr(self, key: str, expiry: float, amount: int = 1) -> int:  # noqa: ARG002
        raise StorageError(ConnectionError(key))

    async def acquire_sliding_window_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:  # noqa: ARG002
        raise StorageError(ConnectionError(key))


async def test_a_store_of_counters_that_is_down_refuses_nobody(caplog: pytest.LogCaptureFixture) -> None:
    limits = Limits(LimitSettings(storage="down://", user_per_minute=1))
    for _ in range(3):
        await limits.admit(caller())
        await limits.afford(caller())
        await limits.spend(caller(), tokens=5, seconds=1)
    assert "does not answer" in caplog.text


@pytest.mark.parametrize("storage", ["memcached://127.0.0.1:9", "papyrus://nile"])
def test_a_store_of_counters_that_cannot_be_used_is_named(storage: str) -> None:
    with pytest.raises(UsageError, match=storage):
        Limits(LimitSettings(storage=storage))


def test_a_turnstile_lets_in_so_many_and_so_many_of_one() -> None:
    gate = Turnstile("answers", at_once=3, of_one_user=2)
    with gate.enter(caller("a")), gate.enter(caller("a")):
        with pytest.raises(TooMany, match="you have 2"), gate.enter(caller("a")):
            pass
        with gate.enter(caller("b")), pytest.raises(TooMany, match="3 answers"), gate.enter(caller("c")):
            pass
    assert gate.inside == 0


def test_only_an_admin_may_do_what_admins_do(client: TestClient, served: Settings) -> None:
    paths = (("GET", "/v1/admin/events"), ("DELETE", "/v1/admin/conversations/anna"))
    for method, path in paths:
        assert client.request(method, path, headers={"Authorization": ""}).status_code == 401
        refused = client.request(method, path, headers=bearer(served, "anna", groups=["admin"]))
        assert (refused.status_code, refused.json()["error"]["code"]) == (403, "forbidden")
        assert client.request(method, path, headers=bearer(served, "root", roles=["admin"])).status_code == 200


def test_an_admin_forgets_people_of_their_own_tenant_alone(client: TestClient, served: Settings) -> None:
    asked = {"message": "Which volcano erupted?", "corpus": CORPUS, "stream": False}
    first = client.post("/v1/chat", json=asked, headers=bearer(served, "vera")).json()["conversation_id"]
    goes_on = asked | {"conversation_id": first}
    path = "/v1/admin/conversations/vera"
    other = client.delete(path, headers=bearer(served, "root", "acme", roles=["admin"])).json()
    assert other == {"conversations": 0}
    assert client.post("/v1/chat", json=goes_on, headers=bearer(served, "vera")).json()["conversation_id"] == first
    assert client.delete(path, headers=bearer(served, "root", roles=["admin"])).json() == {"conversations": 1}
    assert client.post("/v1/chat", json=goes_on, headers=bearer(served, "vera")).json()["conversation_id"] != first


def test_the_audit_log_says_who_asked_what_and_what_was_decided(
    client: TestClient, served: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="searchloom.query.audit"):
        client.post("/v1/search", json=SEARCH, headers=bearer(served, "olga", "acme"))
        client.post("/v1/search", json=SEARCH, headers={"Authorization": "Bearer nonsense"})
        client.get("/v1/admin/events", headers=bearer(served, "olga", "acme"))
        client.post("/v1/search", json={"query": ""}, headers=bearer(served, "olga", "acme"))
        client.get("/healthz")
    lines = [json.loads(one.message) for one in caplog.records if one.name == "searchloom.query.audit"]
    assert [(line["action"], line["decision"]) for line in lines] == [
        ("search", "allowed"),
        ("search", "unauthenticated"),
        ("admin/events", "forbidden"),
        ("search", "refused"),
    ]
    olga = Pseudonyms(SecretStr("tests")).of("acme", "olga")
    assert (lines[0]["user"], lines[0]["tenant"], lines[0]["corpus"]) == (olga, "acme", CORPUS)
    assert "user" not in lines[1]
    assert not any("olga" in one.getMessage() for one in caplog.records)


def test_pseudonyms_tell_people_apart_and_need_the_key() -> None:
    names = Pseudonyms(SecretStr("k"))
    assert names.of("a", "bc") != names.of("ab", "c")
    assert names.of("t", "u") == Pseudonyms(SecretStr("k")).of("t", "u")
    assert names.of("t", "u") != Pseudonyms(SecretStr("other")).of("t", "u")
    assert Pseudonyms(SecretStr("")).of("t", "u") != Pseudonyms(SecretStr("")).of("t", "u")


@pytest.mark.parametrize(
    ("status", "said"),
    [(200, "allowed"), (202, "allowed"), (401, "unauthenticated"), (403, "forbidden"), (404, "refused"),
     (429, "limited"), (500, "failed"), (503, "failed"), (0, "failed")],
)  # fmt: skip
def test_a_decision_follows_from_the_answer(status: int, said: str) -> None:
    assert decision(status) == said
