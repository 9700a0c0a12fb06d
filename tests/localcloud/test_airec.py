"""AIRec's calls, judged by the vendor's client and by ours."""

from __future__ import annotations

import base64
import json
import secrets
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from alibabacloud_airec20201126 import models
from alibabacloud_airec20201126.client import Client
from alibabacloud_tea_openapi.exceptions import AlibabaCloudException
from alibabacloud_tea_openapi.models import OpenApiRequest, Params
from darabonba.runtime import RuntimeOptions
from pydantic import SecretStr

from localcloud.airec.service import DEFAULT_INSTANCE
from searchloom.cloud.airec import Airec
from searchloom.cloud.airec_online import AirecOnline
from searchloom.cloud.airec_rows import Row
from searchloom.errors import ServiceNotFound
from searchloom.settings import Acs
from searchloom.settings import Airec as AirecSettings
from tests.localcloud.acs_clients import config
from tests.servers import LocalCloud, local_cloud

NOW = int(time.time())
ITEM = {"item_id": "d1", "item_type": "article", "title": "t", "pub_time": "1714521600"}


@pytest.fixture
def client(cloud: LocalCloud) -> Client:
    return Client(config(cloud))


@pytest.fixture
def instance(client: Client) -> str:
    """An instance of its own that runs."""
    made = str(client.create_instance().body.result.instance_id)
    client.run_instance(made)
    return made


def call(client: Client, action: str, method: str, path: str, body: Any = None, **query: str) -> dict[str, Any]:
    """What the typed methods cannot do: send a body."""
    params = Params(
        action=action, version="2020-11-26", protocol="HTTPS", pathname=f"/v2/openapi/instances/{path}",
        method=method, auth_type="AK", style="ROA", req_body_type="json", body_type="json",
    )  # fmt: skip
    request = OpenApiRequest(query=query or None, body=body)
    return dict(client.call_api(params, request, RuntimeOptions())["body"])


def push(client: Client, instance: str, table: str, *fields: dict[str, Any], cmd: str = "add") -> dict[str, Any]:
    body = [{"cmd": cmd, "fields": each} for each in fields]
    return call(client, "PushDocument", "POST", f"{instance}/tables/{table}/actions/bulk", body)


def recommended(client: Client, instance: str, user: str = "u1", count: int = 10, **more: Any) -> list[str]:
    request = models.RecommendRequest(user_id=user, scene_id="s", return_count=count, **more)
    return [row.item_id for row in client.recommend(instance, request).body.result]


def refused(action: Callable[[], Any]) -> tuple[int, str]:
    with pytest.raises(AlibabaCloudException) as caught:
        action()
    return caught.value.status_code, caught.value.code


def filtered(tree: Any) -> str:
    return base64.b64encode(json.dumps(tree).encode()).decode()


def test_items_come_back_with_what_a_behaviour_must_bring_along(client: Client, instance: str) -> None:
    push(client, instance, "item", ITEM, {**ITEM, "item_id": "d2", "status": "0"}, {**ITEM, "item_id": "d3"})
    push(client, instance, "user", {"user_id": "u1", "age": "30", "imei": ""})
    push(client, instance, "item", {"item_id": "d3", "item_type": "article"}, cmd="delete")
    request = models.RecommendRequest(user_id="u1", scene_id="s", return_count=5)
    answer = client.recommend(instance, request).body
    assert (answer.code, answer.message) == ("0", "success")
    (row,) = answer.result
    assert (row.item_id, row.item_type, row.trace_id, row.position) == ("d1", "article", "ali", 1)
    behavior = {"user_id": "u1", "item_id": row.item_id, "item_type": row.item_type, "bhv_type": "click"}
    behavior |= {"bhv_time": str(NOW), "trace_id": row.trace_id, "trace_info": row.trace_info}
    assert push(client, instance, "behavior", behavior)["result"] is True
    assert recommended(client, instance) == []


def test_an_update_keeps_the_other_fields(client: Client, instance: str) -> None:
    push(client, instance, "item", {**ITEM, "tags": "a,b"})
    push(client, instance, "item", {"item_id": "d1", "item_type": "article", "scene_id": "s,t"}, cmd="update")
    tagged = filtered({"cond": "contain", "field": "tags", "value": "b"})
    assert recommended(client, instance, filter=tagged) == ["d1"]
    push(client, instance, "item", {**ITEM, "scene_id": "t"})
    assert recommended(client, instance) == []


def test_filters_combine_conditions(client: Client, instance: str) -> None:
    fields = [{**ITEM, "item_id": f"d{n}", "tags": f"x,t{n}", "channel": "a" if n < 2 else "b"} for n in range(4)]
    push(client, instance, "item", *fields)
    in_a = {"cond": "equal", "field": "channel", "value": "a"}
    t3 = {"cond": "contain", "field": "tags", "value": "t3"}
    not_t0 = {"cond": "not_contain", "field": "tags", "value": "t0"}
    either = {"join": "and", "filters": [{"join": "or", "filters": [in_a, t3]}, not_t0]}
    assert sorted(recommended(client, instance, filter=filtered(either))) == ["d1", "d3"]
    in_their_alphabet = filtered(either).translate(str.maketrans("+/=", "-_."))
    assert sorted(recommended(client, instance, filter=in_their_alphabet)) == ["d1", "d3"]
    deep = {"join": "and", "filters": [{"join": "or", "filters": [{"join": "and", "filters": [in_a]}]}]}
    for bad in (deep, {"cond": "like", "field": "a", "value": "b"}, [], {"join": "and", "filters": [in_a] * 11}):
        assert refused(lambda bad=bad: recommended(client, instance, filter=filtered(bad)))[0] == 400
    assert refused(lambda: recommended(client, instance, filter="%%"))[1] == "InvalidParameter"


@pytest.mark.parametrize(
    ("table", "cmd", "changes"),
    [
        ("item", "add", {"item_id": "d-1"}),
        ("item", "add", {"item_id": "d" * 51}),
        ("item", "add", {"item_type": "book"}),
        ("item", "add", {"title": 7}),
        ("item", "add", {"pub_time": "2026-11-21"}),
        ("item", "add", {"title": "ü" * 6000}),
        ("item", "upsert", {}),
        ("user", "add", {}),
        ("behavior", "update", {"user_id": "u", "bhv_type": "click", "bhv_time": "1", "trace_id": "selfhold"}),
        ("behavior", "add", {"user_id": "u", "bhv_type": "click", "bhv_time": "1", "trace_id": "ali"}),
        ("behavior", "add", {"user_id": "u", "bhv_type": "click", "bhv_time": "1"}),
        ("behavior", "add", {"bhv_type": "click", "bhv_time": "1", "trace_id": "selfhold"}),
        ("tables", "add", {}),
    ],
)
def test_a_document_that_breaks_a_rule_takes_the_whole_push_with_it(
    client: Client, instance: str, table: str, cmd: str, changes: dict[str, Any]
) -> None:
    good = {**ITEM, "item_id": "good"}
    body = [{"cmd": "add", "fields": good}] if table == "item" else []
    body.append({"cmd": cmd, "fields": {**ITEM, **changes}})
    path = f"{instance}/tables/{table}/actions/bulk"
    assert refused(lambda: call(client, "PushDocument", "POST", path, body)) == (400, "InvalidParameter")
    assert recommended(client, instance) == []


def test_a_push_is_limited_to_800_documents_and_1_mb_and_is_not_empty(client: Client, instance: str) -> None:
    items = [{**ITEM, "item_id": f"d{n}"} for n in range(801)]
    assert refused(lambda: push(client, instance, "item", *items)) == (400, "InvalidParameter")
    push(client, instance, "item", *items[:800])
    large = [{**each, "title": "x" * 9000} for each in items[:120]]
    assert refused(lambda: push(client, instance, "item", *large)) == (400, "InvalidParameter")
    # The vendor's typed method sends no body: nothing is pushed, and it says so.
    assert refused(lambda: client.push_document(instance, "item")) == (400, "MissingParameter")
    assert len(recommended(client, instance, count=50)) == 50
    assert recommended(client, instance, count=0) == []
    assert refused(lambda: recommended(client, instance, count=51)) == (400, "InvalidParameter")


def test_an_instance_serves_when_it_is_told_to_and_its_data_can_come_back(client: Client) -> None:
    instance = client.create_instance().body.result.instance_id
    assert client.describe_instance(instance).body.result.status == "Ready"
    push(client, instance, "item", ITEM)
    assert refused(lambda: recommended(client, instance)) == (400, "InstanceNotRunning")
    client.run_instance(instance)
    assert client.describe_instance(instance).body.result.status == "Running"
    client.run_instance(instance)
    push(client, instance, "item", {**ITEM, "item_id": "d2"})
    assert sorted(recommended(client, instance)) == ["d1", "d2"]
    states = [(each.version_id, each.state) for each in client.list_data_set(instance).body.result]
    assert states == [("v1", "STOPPED"), ("v2", "SERVING")]
    attached = client.attach_dataset(instance, "v1").body.result
    assert (attached.version_id, attached.state) == ("v1", "SERVING")
    assert recommended(client, instance) == ["d1"]
    assert refused(lambda: client.delete_data_set(instance, "v1")) == (409, "DataSetIsServing")
    client.delete_data_set(instance, "v2")
    assert refused(lambda: client.attach_dataset(instance, "v2")) == (404, "DataSetNotFound")


def test_scenes_models_systems_and_algorithms_are_kept(client: Client, cloud: LocalCloud, instance: str) -> None:
    call(client, "CreateScene", "POST", f"{instance}/scenes", {"sceneId": "home"}, dryRun="True")
    assert client.list_scenes(instance, models.ListScenesRequest()).body.result == []
    call(client, "CreateScene", "POST", f"{instance}/scenes", {"sceneId": "home"})
    (scene,) = client.list_scenes(instance, models.ListScenesRequest(page=1, size=20)).body.result
    assert (scene.scene_id, scene.status) == ("home", "1")
    typed = models.CreateSceneRequest(dry_run=False)
    assert client.create_scene(instance, typed).body.result.scene_id.startswith("scene-")
    assert refused(lambda: call(client, "CreateScene", "POST", f"{instance}/scenes", {"x": 1}))[1] == "MissingParameter"
    path = f"{instance}/ranking-models"
    call(client, "CreateRankingModel", "POST", path, {"rankingModelId": "up", "meta": {"url": cloud.endpoint}})
    nobody = {"rankingModelId": "down", "meta": {"url": "http://127.0.0.1:9"}}
    call(client, "CreateRankingModel", "POST", path, nobody)
    states = [client.check_ranking_model_reachable(instance, name).body.result for name in ("up", "down")]
    assert [dict(state)["status"] for state in states] == ["UP", "DOWN"]
    call(client, "CreateRankingSystem", "POST", f"{instance}/ranking-systems", {"name": "sys1"})
    client.deploy_ranking_system(instance, "sys1", models.DeployRankingSystemRequest(body={"a": 1}))
    system = call(client, "GetRankingSystem", "GET", f"{instance}/ranking-systems/sys1")["result"]
    assert (system["deployStatus"], system["deployment"]) == ("DEPLOYED", {"a": 1})
    call(client, "CreateFilteringAlgorithm", "POST", f"{instance}/filtering-algorithms", {"algorithmId": "f"})
    found = client.list_filtering_algorithms(instance, models.ListFilteringAlgorithmsRequest()).body.result
    assert [each.algorithm_id for each in found] == ["f"]
    assert refused(lambda: client.describe_scene(instance, "away")) == (404, "SceneNotFound")


def test_what_was_pushed_outlives_a_kill(tmp_path: Path) -> None:
    secret = secrets.token_hex(16)
    with local_cloud(tmp_path, access_key_secret=secret) as running:
        push(Client(config(running)), DEFAULT_INSTANCE, "item", {**ITEM, "scene_id": "s"})
        running.kill()
    with local_cloud(tmp_path, access_key_secret=secret) as running:
        assert recommended(Client(config(running)), DEFAULT_INSTANCE) == ["d1"]


def test_errors_are_written_with_small_letters(client: Client) -> None:
    with pytest.raises(AlibabaCloudException) as caught:
        client.describe_instance("airec-cn-nobody")
    assert {"requestId", "code", "message"} <= set(caught.value.data)
    assert caught.value.code == "InstanceNotFound"


async def test_our_clients_push_and_are_recommended_to(cloud: LocalCloud, instance: str) -> None:
    secret = SecretStr(cloud.access_key_secret)
    acs = Acs(endpoint=cloud.endpoint, access_key_id=cloud.access_key_id, access_key_secret=secret)
    settings = AirecSettings(instance_id=instance, scene_id="home")
    airec, online = Airec(acs, settings), AirecOnline(acs, settings)
    rows = [Row({"item_id": f"d{n}", "item_type": "article", "tags": f"t{n}"}) for n in range(900)]
    assert all(outcome.ok for outcome in airec.push("item", rows))
    airec.create_scene(scene={"sceneId": "home"})
    assert [scene.scene_id for scene in airec.scenes()] == ["home"]
    assert (airec.state(), len(airec.data_sets())) == ("Running", 1)
    seen = {"user_id": "u", "item_id": "d7", "item_type": "article", "bhv_type": "click", "bhv_time": str(NOW)}
    clicks = [Row({**seen, "user_id": user, "item_id": item, "trace_id": "selfhold"})
              for user in ("v", "w", "u") for item in ("d7", "d8") if (user, item) != ("u", "d8")]  # fmt: skip
    assert all(outcome.ok for outcome in airec.push("behavior", clicks))
    first = (await online.recommend(user_id="u", count=3))[0]
    assert (first.item_id, first.match_info, first.trace_id) == ("d8", "related:d7", "ali")
    assert first.weight > 0
    assert airec.recommend(user_id="stranger", count=2, items=[("d7", "article")])[0].item_id == "d8"
    await online.aclose()
    with pytest.raises(ServiceNotFound):
        Airec(acs, AirecSettings(instance_id=secrets.token_hex(4))).state()
