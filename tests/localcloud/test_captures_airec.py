"""Every recorded request of the vendor's AIRec client is sent again by it, and is taken."""

from __future__ import annotations

import time
from typing import Any

from alibabacloud_airec20201126 import models
from alibabacloud_airec20201126.client import Client
from alibabacloud_tea_openapi.models import OpenApiRequest, Params
from darabonba.runtime import RuntimeOptions

from tests.localcloud.acs_clients import config
from tests.localcloud.wiretap import Proof, recordings, wiretap
from tests.servers import LocalCloud

# The typed method sends nothing, which no service can take: it is refused with MissingParameter.
REFUSED = {"airec.PushDocument_typed_NO_BODY"}
THEN = "1714521600"
ITEM = {
    "item_id": "d1", "item_type": "article", "status": "1", "scene_id": "rag_context", "pub_time": THEN,
    "expire_time": "1914521600", "last_modify_time": THEN, "title": "t", "weight": "1", "category_level": "2",
    "category_path": "kb_faq", "tags": "a,b", "content": "...", "features": '{"semantic":0.9}',
}  # fmt: skip
USER = {
    "user_id": "u1", "imei": "", "user_id_type": "", "third_user_name": "", "gender": "", "age": "30", "city": "",
    "register_time": THEN, "last_login_time": THEN, "tags": "x", "source": "",
}  # fmt: skip
CLICK = {
    "trace_id": "ali", "trace_info": "...", "platform": "pc", "device_model": "", "imei": "", "app_version": "",
    "net_type": "", "longitude": "", "latitude": "", "ip": "", "login": "1", "report_src": "2",
    "scene_id": "rag_context", "user_id": "u1", "item_id": "d1", "item_type": "article", "module_id": "",
    "page_id": "", "position": "1", "bhv_type": "click", "bhv_value": "1", "bhv_time": str(int(time.time())),
}  # fmt: skip
FILTER = "eyJqb2luIjogImFuZCIsICJmaWx0ZXJzIjogW3siY29uZCI6ICJjb250YWluIiwgImZpZWxkIjogInRhZ3MiLCAidmFsdWUiOiAiYSJ9XX0="


def call(client: Client, action: str, method: str, path: str, body: Any = None) -> Any:
    params = Params(
        action=action, version="2020-11-26", protocol="HTTPS", pathname=f"/v2/openapi/instances/{path}",
        method=method, auth_type="AK", style="ROA", req_body_type="json", body_type="json",
    )  # fmt: skip
    return client.call_api(params, OpenApiRequest(body=body), RuntimeOptions())["body"]


def test_airec(cloud: LocalCloud) -> None:
    with wiretap(cloud) as proof:
        prove(proof, cloud.endpoint)


def prove(proof: Proof, address: str) -> None:
    client, sends = Client(config(proof.cloud)), proof.sends
    made = sends("airec.CreateInstance_typed", client.create_instance).body.result.instance_id
    proof.ids[made] = "airec-cn-1"
    sends("airec.RunInstance", lambda: client.run_instance(made))
    sends("airec.DescribeInstance", lambda: client.describe_instance(made))
    sends("airec.ListDataSet", lambda: client.list_data_set(made))
    sends("airec.AttachDataset", lambda: client.attach_dataset(made, "v1"))
    for capture, table, fields in (
        ("airec.PushDocument_item_call_api", "item", ITEM),
        ("airec.PushDocument_user", "user", USER),
        ("airec.PushDocument_behavior", "behavior", CLICK),
    ):
        path = f"{made}/tables/{table}/actions/bulk"
        body = [{"cmd": "add", "fields": fields}]
        proof.ids[CLICK["bhv_time"]] = THEN
        sends(capture, lambda path=path, body=body: call(client, "PushDocument", "POST", path, body))
    asked = models.RecommendRequest(
        user_id="u1",
        scene_id="rag_context",
        return_count=5,
        items="d1:article,d2:article",
        filter=FILTER,
        imei="",
        rank_open=True,
        service_type="rec",
    )
    sends("airec.Recommend", lambda: client.recommend(made, asked))
    scene = models.CreateSceneRequest(dry_run=True)
    sends("airec.CreateScene_typed", lambda: client.create_scene(made, scene))
    sends("airec.ListScenes", lambda: client.list_scenes(made, models.ListScenesRequest(page=1, size=20)))
    model = models.CreateRankingModelRequest(dry_run=False)
    sends("airec.CreateRankingModel_typed", lambda: client.create_ranking_model(made, model))
    algorithm = models.CreateFilteringAlgorithmRequest(dry_run="false")
    sends("airec.CreateFilteringAlgorithm_typed", lambda: client.create_filtering_algorithm(made, algorithm))
    mine = {"rankingModelId": "rm1", "meta": {"url": f"{address}/_health"}}
    call(client, "CreateRankingModel", "POST", f"{made}/ranking-models", mine)
    sends("airec.CheckRankingModelReachable", lambda: client.check_ranking_model_reachable(made, "rm1"))
    call(client, "CreateRankingSystem", "POST", f"{made}/ranking-systems", {"name": "sys1"})
    deployment = models.DeployRankingSystemRequest(body={"a": 1})
    sends("airec.DeployRankingSystem", lambda: client.deploy_ranking_system(made, "sys1", deployment))
    assert proof.proven >= recordings("airec") - REFUSED
