from __future__ import annotations

from collections.abc import Iterator

import pytest
from alibabacloud_airec20201126 import models
from alibabacloud_airec20201126.client import Client

from searchloom.cloud.acs import Connection
from searchloom.cloud.airec import Airec
from searchloom.cloud.airec_online import AirecOnline
from searchloom.cloud.airec_rows import Row
from searchloom.errors import ServiceRefused, ServiceUnavailable, UsageError
from searchloom.settings import Acs
from searchloom.settings import Airec as AirecSettings
from tests.cloud.golden import ACS_HEADERS, Wire, check, check_signed
from tests.cloud.recording import Answer, Recorder

BASE = "/v2/openapi/instances/airec-cn-1"
SETTINGS = AirecSettings(instance_id="airec-cn-1", scene_id="rag_context")
DONE = Answer(body={"requestId": "R", "code": "0", "message": "success", "result": True})
FILTERS = {"join": "and", "filters": [{"cond": "contain", "field": "tags", "value": "a"}]}
USER = {
    "user_id": "u1",
    "imei": "",
    "user_id_type": "",
    "third_user_name": "",
    "gender": "",
    "age": "30",
    "city": "",
    "register_time": "1714521600",
    "last_login_time": "1714521600",
    "tags": "x",
    "source": "",
}
CLICK = {
    "user_id": "u1",
    "item_id": "d1",
    "item_type": "article",
    "bhv_type": "click",
    "bhv_time": "1714521600",
    "trace_id": "ali",
    "trace_info": "...",
}


@pytest.fixture
def airec(acs: Acs) -> Airec:
    return Airec(acs, SETTINGS)


def item(number: int, **fields: str) -> Row:
    return Row({"item_id": f"d{number}", "item_type": "article", **fields})


def test_calls_are_those_of_the_vendors_sdk(airec: Airec, server: Recorder) -> None:
    calls = [
        (
            lambda: list(airec.push("user", [Row(USER)])),
            "PushDocument",
            Wire(
                "POST",
                f"{BASE}/tables/user/actions/bulk",
                body=[{"cmd": "add", "fields": USER}],
                capture="airec.PushDocument_user",
            ),
        ),
        (airec.start, "RunInstance", Wire("POST", f"{BASE}/actions/import", capture="airec.RunInstance")),
        (
            lambda: airec.attach_data_set(version_id="v1"),
            "AttachDataset",
            Wire("POST", f"{BASE}/dataSets/v1/actions/current", capture="airec.AttachDataset"),
        ),
        (
            lambda: airec.create_scene(scene={"sceneId": "home"}),
            "CreateScene",
            Wire("POST", f"{BASE}/scenes", body={"sceneId": "home"}),
        ),
        (
            lambda: airec.create_ranking_model(model={"rankingModelId": "rm1"}),
            "CreateRankingModel",
            Wire("POST", f"{BASE}/ranking-models", body={"rankingModelId": "rm1"}),
        ),
        (
            lambda: airec.create_ranking_system(system={"name": "sys1"}),
            "CreateRankingSystem",
            Wire("POST", f"{BASE}/ranking-systems", body={"name": "sys1"}),
        ),
        (
            lambda: airec.deploy_ranking_system(name="sys1", deployment={"a": 1}),
            "DeployRankingSystem",
            Wire(
                "POST",
                f"{BASE}/ranking-systems/sys1/actions/deploy",
                body={"body": {"a": 1}},
                capture="airec.DeployRankingSystem",
            ),
        ),
        (
            lambda: airec.create_filtering_algorithm(algorithm={"algorithmId": "f"}),
            "CreateFilteringAlgorithm",
            Wire("POST", f"{BASE}/filtering-algorithms", body={"algorithmId": "f"}),
        ),
    ]
    for call, action, wire in calls:
        server.will(DONE)
        call()
        check_signed(server.only, wire, action=action, version="2020-11-26")


def test_states(airec: Airec, server: Recorder) -> None:
    server.will(Answer(body={"code": "0", "result": [{"versionId": "v1", "state": "SERVING"}]}))
    assert airec.data_sets()[0].state == "SERVING"
    check(server.only, Wire("GET", f"{BASE}/dataSets", capture="airec.ListDataSet"))
    server.will(Answer(body={"code": "0", "result": [{"sceneId": "home", "status": "1"}]}))
    assert airec.scenes()[0].scene_id == "home"
    server.will(Answer(body={"code": "0", "result": {"status": "Normal"}}))
    assert airec.state() == "Normal"
    check(server.only, Wire("GET", BASE, capture="airec.DescribeInstance"))
    server.will(Answer(body={"code": "0", "result": {"status": "UP"}}))
    assert airec.ranking_model_reachable(model_id="rm1")
    path = f"{BASE}/ranking-models/rm1/actions/check-connectivity"
    check(server.only, Wire("GET", path, capture="airec.CheckRankingModelReachable"))


def test_rows_with_a_flaw_come_out_rejected_and_the_others_are_sent(airec: Airec, server: Recorder) -> None:
    server.will(DONE)
    rows = [item(1), item(2, content="x" * 11_000), item(3)]
    outcomes = {outcome.row.fields["item_id"]: outcome for outcome in airec.push("item", rows)}
    assert [outcomes[f"d{n}"].ok for n in (1, 2, 3)] == [True, False, True]
    assert "10,240 are allowed" in outcomes["d2"].reason
    assert [document["fields"]["item_id"] for document in server.only.body] == ["d1", "d3"]


def test_a_push_takes_rows_as_they_are_sent(airec: Airec, server: Recorder) -> None:
    taken = 0

    def rows() -> Iterator[Row]:
        nonlocal taken
        for number in range(2000):
            taken += 1
            yield item(number)

    server.will(DONE)
    pushed = airec.push("item", rows())
    assert next(pushed).ok
    assert (taken, len(server.requests)) == (800, 1)
    assert sum(outcome.ok for outcome in pushed) == 1999
    assert [len(request.body) for request in server.requests] == [800, 800, 400]


def test_an_invalid_request_rejects_its_rows_but_a_refused_key_ends_the_push(airec: Airec, server: Recorder) -> None:
    server.will(Answer(400, {"requestId": "R", "code": "InvalidParameter", "message": "bad tags"}), DONE)
    outcomes = list(airec.push("item", [item(number) for number in range(1000)]))
    assert [outcome.ok for outcome in outcomes] == [False] * 800 + [True] * 200
    assert "bad tags" in outcomes[0].reason
    server.will(Answer(403, {"requestId": "R", "code": "Forbidden.RAM", "message": "no"}))
    with pytest.raises(ServiceRefused):
        list(airec.push("item", [item(1)]))


def test_behaviour_is_not_sent_twice_but_items_are(airec: Airec, server: Recorder) -> None:
    broken = Answer(503, {"requestId": "R", "code": "ServiceUnavailable", "message": "x"})
    server.will(broken)
    with pytest.raises(ServiceUnavailable):
        list(airec.push("behavior", [Row(CLICK)]))
    assert len(server.requests) == 1
    server.will(broken, DONE)
    assert all(outcome.ok for outcome in airec.push("item", [item(1)]))
    assert len(server.requests) == 2


async def test_both_clients_ask_for_recommendations_as_the_vendors_sdk_does(acs: Acs, server: Recorder) -> None:
    asked = {
        "user_id": "u 1",
        "count": 5,
        "items": [("d1", "article"), ("d2", "article")],
        "filters": FILTERS,
        "device_id": "",
        "rank": True,
    }
    rows = [{"itemId": "d1", "itemType": "article", "weight": 1, "traceId": "ali", "traceInfo": "1007.x"}]
    server.will(Answer(body={"requestId": "R", "code": "0", "result": rows}))
    online = AirecOnline(acs, SETTINGS)
    assert await online.recommend(**asked) == Airec(acs, SETTINGS).recommend(**asked)
    await online.aclose()
    request = models.RecommendRequest(
        user_id="u 1",
        scene_id="rag_context",
        return_count=5,
        items="d1:article,d2:article",
        filter="eyJqb2luIjogImFuZCIsICJmaWx0ZXJzIjogW3siY29uZCI6ICJjb250YWluIiwgImZpZWxkIjogInRhZ3MiLCAidmFsdWUiOiAiYSJ9XX0.",
        imei="",
        rank_open=True,
    )
    Client(Connection(acs, "airec").config).recommend("airec-cn-1", request)
    ours, sync, vendors = server.requests
    for mine in (ours, sync):
        assert (mine.method, mine.path, sorted(mine.query)) == (vendors.method, vendors.path, sorted(vendors.query))
        assert mine.signed_headers == vendors.signed_headers == ACS_HEADERS
        assert mine.headers["x-acs-credentials-provider"] == "static_ak"


@pytest.mark.parametrize(
    ("answer", "expected", "calls"),
    [
        (Answer(403, {"requestId": "R", "code": "Forbidden.RAM", "message": "no"}), ServiceRefused, 1),
        (Answer(400, {"requestId": "R", "code": "Throttling.User", "message": "slow"}), ServiceUnavailable, 5),
        (Answer(200, {"requestId": "R", "code": "InternalError", "message": "oh"}), ServiceUnavailable, 5),
        (Answer(200, {"requestId": "R", "code": "SceneClosed", "message": "off"}), ServiceRefused, 1),
        (Answer(200, b"[]"), ServiceUnavailable, 5),
        (Answer(200, b"{", cut=True), ServiceUnavailable, 5),
        (Answer(502, b"<html>"), ServiceUnavailable, 5),
    ],
)
async def test_recommendations_that_fail(
    acs: Acs, server: Recorder, answer: Answer, expected: type[Exception], calls: int
) -> None:
    server.will(answer)
    online = AirecOnline(acs, SETTINGS)
    with pytest.raises(expected):
        await online.recommend(user_id="u1", count=5)
    assert len(server.requests) == calls
    await online.aclose()


@pytest.mark.parametrize("count", [-1, 51])
def test_more_than_fifty_are_not_asked_for(airec: Airec, server: Recorder, count: int) -> None:
    with pytest.raises(UsageError, match=str(count)):
        airec.recommend(user_id="u1", count=count)
    assert server.requests == []


def test_an_instance_is_needed(acs: Acs) -> None:
    with pytest.raises(UsageError, match=r"airec\.instance_id"):
        Airec(acs, AirecSettings())
