"""Events over HTTP, into a real object store."""

from __future__ import annotations

import json
import os
import signal
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fastapi.testclient import TestClient
from typer.testing import CliRunner

from searchloom.cloud.oss import Oss
from searchloom.events import importing
from searchloom.query import tokens
from searchloom.settings import Events, Settings
from tests.query.chat.process import service
from tests.query.collection import CORPUS, DOCUMENTS
from tests.query.conftest import running, wait_for

ITEM = DOCUMENTS[0].id


def event(**fields: Any) -> dict[str, Any]:
    return {"event_id": uuid.uuid4().hex, "type": "click", "item_id": ITEM, "corpus": CORPUS, **fields}


def logged(oss: Oss) -> list[dict[str, Any]]:
    return [json.loads(line) for info in oss.list("events/") for line in oss.get(info.key).splitlines()]


@pytest.fixture
def own(served: Settings, tmp_path: Path) -> Settings:
    """The same service with a bucket and a spool of its own."""
    bucket = f"events-{uuid.uuid4().hex[:8]}"
    changed = served.model_copy(
        update={
            "state": tmp_path,
            "events": Events(upload_s=0.2),
            "oss": served.oss.model_copy(update={"bucket": bucket}),
        }
    )
    Oss(changed.oss).ensure_bucket()
    return changed


@pytest.fixture
def headers(own: Settings) -> Callable[..., dict[str, str]]:
    def made(user: str = "anna", tenant: str = "default", *groups: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {tokens.sign(own, user=user, tenant=tenant, groups=groups)}"}

    return made


def copied_release(served: Settings, own: Settings) -> None:
    source, target = Oss(served.oss), Oss(own.oss)
    for info in source.list("releases/"):
        target.put(info.key, source.get(info.key))


def test_events_reach_the_log_once_and_in_the_form_of_the_contract(
    served: Settings, own: Settings, headers: Callable[..., dict[str, str]]
) -> None:
    copied_release(served, own)
    first, second = (
        event(position=3, query="merge", scene="search", trace_id="t1", release=1),
        event(type="dwell", value=12.5),
    )
    with running(own) as client:
        answer = client.post("/v1/events", json={"events": [first, second]}, headers=headers())
        assert (answer.status_code, answer.json()) == (202, {"accepted": 2, "duplicates": 0, "refused": []})
        again = client.post("/v1/events", json={"events": [second, event()]}, headers=headers())
        assert again.json() == {"accepted": 1, "duplicates": 1, "refused": []}
    lines = logged(Oss(own.oss))  # stopping uploads what is left
    assert len(lines) == 3
    line = next(one for one in lines if one["event_id"] == first["event_id"])
    assert set(line) == {
        *("event_id", "time", "user_id", "tenant", "type", "item_id", "position", "query", "trace_id"),
        *("release", "arm", "corpus", "scene", "value"),
    }
    assert (line["user_id"], line["tenant"], line["position"], line["query"]) == ("anna", "default", 3, "merge")
    assert abs(datetime.fromisoformat(line["time"]) - datetime.now(UTC)) < timedelta(minutes=1)


def test_each_event_is_judged_by_itself(
    served: Settings, own: Settings, headers: Callable[..., dict[str, str]]
) -> None:
    copied_release(served, own)
    past, future = datetime.now(UTC) - timedelta(days=40), datetime.now(UTC) + timedelta(hours=1)
    wrong = [
        event(type="stare"),
        {"type": "click"},
        event(time=past.isoformat()),
        event(time=future.isoformat()),
        event(time="2026-01-01T00:00:00"),
        event(user_id="somebody-else"),
        event(position=0),
        event(item_id="../../x"),
        event(value="NaN"),
    ]
    with running(own) as client:
        answer = client.post("/v1/events", json={"events": [event(), *wrong]}, headers=headers()).json()
        assert answer["accepted"] == 1
        assert [one["index"] for one in answer["refused"]] == list(range(1, len(wrong) + 1))
        assert client.post("/v1/events", json={"events": []}, headers=headers()).status_code == 422
        assert client.post("/v1/events", json={"events": [event()]}, headers={"Authorization": ""}).status_code == 401
    assert {one["user_id"] for one in logged(Oss(own.oss))} == {"anna"}


def test_what_searches_and_recommendations_showed_is_logged_by_the_service(
    served: Settings, own: Settings, headers: Callable[..., dict[str, str]]
) -> None:
    copied_release(served, own)
    with running(own) as client:
        found = client.post(
            "/v1/search", json={"query": "merge tables", "corpus": CORPUS, "k": 2}, headers=headers()
        ).json()
        client.post(
            "/v1/recommend", json={"corpus": CORPUS, "scene": "similar", "item": ITEM, "k": 2}, headers=headers()
        )
        measured = {"query": "merge tables", "corpus": CORPUS, "record": False}
        assert client.post("/v1/search", json=measured, headers=headers("nobody")).json()["results"]
    lines = logged(Oss(own.oss))
    assert {one["type"] for one in lines} == {"expose"}
    of_search = sorted((one for one in lines if one["scene"] == "search"), key=lambda one: int(one["position"]))
    assert [one["item_id"] for one in of_search] == [one["doc_id"] for one in found["results"]]
    assert [one["position"] for one in of_search] == [1, 2]
    assert {(one["release"], one["query"], one["user_id"]) for one in of_search} == {(1, "merge tables", "anna")}
    assert {one["trace_id"] for one in of_search} == {found["trace_id"]}
    assert [one["position"] for one in lines if one["scene"] == "similar"] == [1, 2]


def test_a_search_that_finds_nothing_is_logged_as_that_and_only_the_service_can_say_so(
    served: Settings, own: Settings, headers: Callable[..., dict[str, str]]
) -> None:
    copied_release(served, own)
    with running(own) as client:
        asked = {"query": "zxqvwk", "corpus": CORPUS, "mode": "bm25"}
        assert client.post("/v1/search", json=asked, headers=headers()).json()["results"] == []
        claimed = client.post("/v1/events", json={"events": [event(type="empty")]}, headers=headers()).json()
        assert (claimed["accepted"], len(claimed["refused"])) == (0, 1)
    (line,) = logged(Oss(own.oss))
    assert (line["type"], line["query"], line["scene"], line["position"]) == ("empty", "zxqvwk", "search", None)


def test_a_store_that_is_down_stops_nobody_and_loses_nothing(
    served: Settings, own: Settings, headers: Callable[..., dict[str, str]]
) -> None:
    copied_release(served, own)
    sent = event()
    elsewhere = own.model_copy(update={"oss": own.oss.model_copy(update={"endpoint": "http://127.0.0.1:9"})})
    with TestClient_without_store(elsewhere) as client:
        assert client.post("/v1/events", json={"events": [sent]}, headers=headers()).json()["accepted"] == 1
    with running(own) as client:
        assert client.post("/v1/events", json={"events": [sent]}, headers=headers()).json()["duplicates"] == 1
        wait_for(lambda: len(logged(Oss(own.oss))) == 1)
    assert [one["event_id"] for one in logged(Oss(own.oss))] == [sent["event_id"]]


def TestClient_without_store(settings: Settings) -> TestClient:  # noqa: N802
    from searchloom.query.app import create_app  # noqa: PLC0415

    return TestClient(create_app(settings))


def test_a_full_spool_is_told_and_searches_go_on(
    served: Settings, own: Settings, headers: Callable[..., dict[str, str]]
) -> None:
    copied_release(served, own)
    spool = own.state / "events"
    spool.mkdir()
    (spool / "0-full.jsonl").write_bytes(b"\n" * (1024 * 1024 + 1))
    full = own.model_copy(update={"events": Events(spool_mb=1, upload_s=60)})
    with running(full) as client:
        refused = client.post("/v1/events", json={"events": [event()]}, headers=headers())
        assert (refused.status_code, refused.json()["error"]["code"]) == (429, "too_many_requests")
        assert int(refused.headers["retry-after"]) > 0
        assert client.post("/v1/search", json={"query": "merge", "corpus": CORPUS}, headers=headers()).is_success


def test_what_was_accepted_survives_kill_9(served: Settings, own: Settings, tmp_path: Path) -> None:
    copied_release(served, own)
    more = {"OSS__BUCKET": own.oss.bucket, "EVENTS__UPLOAD_S": "3600", "EVENTS__EXPOSE": "false"}
    accepted: list[str] = []
    with service(own, tmp_path / "one.log", **more) as (url, process):
        with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {tokens.sign(own, user='anna')}"}) as client:
            for _ in range(20):
                events = [event() for _ in range(5)]
                assert client.post("/v1/events", json={"events": events}).status_code == 202
                accepted += [one["event_id"] for one in events]
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    assert logged(Oss(own.oss)) == []
    with service(own, tmp_path / "two.log", **more | {"EVENTS__UPLOAD_S": "0.2"}):
        wait_for(lambda: len(logged(Oss(own.oss))) >= len(accepted))
    assert sorted(one["event_id"] for one in logged(Oss(own.oss))) == sorted(accepted)


def test_files_of_events_are_imported_once_however_often(own: Settings, tmp_path: Path) -> None:
    rows = [
        {"event_id": f"e{n}", "time": 1_700_000_000 + n * 3600, "user_id": f"u{n}", "item_id": f"d{n}", "type": "Click"}
        for n in range(50)
    ]
    lines = tmp_path / "events.jsonl"
    lines.write_text("\n".join([*(json.dumps(row) for row in rows[:25]), "no json", '{"type": "click"}', "[]"]))
    table = tmp_path / "events.parquet"
    pq.write_table(pa.Table.from_pylist(rows[25:]), table)
    oss = Oss(own.oss)
    for _ in range(2):
        report = importing.import_files([lines, table], oss.put, corpus="c", tenant="t")
        assert (report.accepted, report.refused) == (50, 3)
        assert len(report.reasons) == 3
    found = logged(oss)
    assert sorted(one["event_id"] for one in found) == sorted(row["event_id"] for row in rows)
    assert {(one["corpus"], one["tenant"], one["type"]) for one in found} == {("c", "t", "click")}
    days = {info.key.split("/")[1] for info in oss.list("events/")}
    assert days == {"dt=2023-11-14", "dt=2023-11-15", "dt=2023-11-16"}


def test_the_command_line_names_what_is_wrong(tmp_path: Path) -> None:
    from searchloom.errors import UsageError  # noqa: PLC0415
    from searchloom.events import commands  # noqa: PLC0415

    result = CliRunner().invoke(commands.app, ["import", str(tmp_path / "none.jsonl")])
    assert isinstance(result.exception, UsageError)
    assert "none.jsonl" in str(result.exception)
