from __future__ import annotations

import pytest
from pydantic import SecretStr

from searchloom.cloud.pai_eas import PaiEas
from searchloom.cloud.pai_eas_predict import AsyncPredictor, Predictor
from searchloom.errors import ServiceConflict, ServiceNotFound, ServiceRefused, ServiceUnavailable
from searchloom.settings import Acs
from tests.cloud.golden import Wire, check, check_signed
from tests.cloud.recording import Answer, Recorder

SPEC = {
    "name": "reranker_v1",
    "metadata": {"instance": 2, "cpu": 4, "memory": 8000},
    "cloud": {"computing": {"instance_type": "ecs.g6.xlarge"}},
    "containers": [{"image": "img", "script": "python serve.py", "port": 8000}],
    "storage": [
        {
            "mount_path": "/models",
            "oss": {"path": "oss://bucket/models/reranker-v1/", "readOnly": True},
            "properties": {"resource_type": "model"},
        }
    ],
}
PATH = "/api/v2/services/cn-hangzhou/reranker_v1"


@pytest.fixture
def eas(acs: Acs) -> PaiEas:
    return PaiEas(acs, workspace_id="12345")


def test_calls_are_those_of_the_vendors_sdk(eas: PaiEas, server: Recorder) -> None:
    name = "reranker_v1"
    scaler = {"min": 1, "max": 4, "scaleStrategies": [{"metricName": "qps", "threshold": 10}]}
    labels = [("Labels", '{"team":"rag"}'), ("WorkspaceId", "12345")]
    listing = [("Filter", "rerank"), ("PageNumber", "1"), ("PageSize", "100"), ("WorkspaceId", "12345")]
    calls = [
        (
            lambda: eas.create(spec=SPEC, labels={"team": "rag"}),
            "CreateService",
            Wire("POST", "/api/v2/services", labels, SPEC, "pai-eas.CreateService"),
        ),
        (
            lambda: eas.describe(name=name),
            "DescribeService",
            Wire("GET", PATH, capture="pai-eas.DescribeService"),
        ),
        (
            lambda: list(eas.list(name_contains="rerank")),
            "ListServices",
            Wire("GET", "/api/v2/services", listing),
        ),
        (
            lambda: eas.scale(name=name, instances=3),
            "UpdateService",
            Wire("PUT", PATH, [("UpdateType", "merge")], {"metadata": {"instance": 3}}, "pai-eas.UpdateService"),
        ),
        (
            lambda: eas.release(name=name, weight=20),
            "ReleaseService",
            Wire(
                "PUT",
                f"{PATH}/release",
                body={"TrafficState": "grouping", "Weight": 20},
                capture="pai-eas.ReleaseService",
            ),
        ),
        (
            lambda: eas.roll_back(name=name, version=1),
            "UpdateServiceVersion",
            Wire("PUT", f"{PATH}/version", body={"Version": 1}, capture="pai-eas.UpdateServiceVersion"),
        ),
        (
            lambda: eas.versions(name=name),
            "ListServiceVersions",
            Wire("GET", f"{PATH}/versions", [("PageNumber", "1"), ("PageSize", "100")]),
        ),
        (
            lambda: eas.autoscale(name=name, lowest=1, highest=4),
            "CreateServiceAutoScaler",
            Wire("POST", f"{PATH}/autoscaler", body=scaler, capture="pai-eas.CreateServiceAutoScaler"),
        ),
        (
            lambda: eas.group(name="rerankers"),
            "DescribeGroup",
            Wire("GET", "/api/v2/groups/cn-hangzhou/rerankers"),
        ),
        (lambda: eas.start(name=name), "StartService", Wire("PUT", f"{PATH}/start", capture="pai-eas.StartService")),
        (lambda: eas.stop(name=name), "StopService", Wire("PUT", f"{PATH}/stop", capture="pai-eas.StopService")),
        (lambda: eas.delete(name=name), "DeleteService", Wire("DELETE", PATH, capture="pai-eas.DeleteService")),
        (
            lambda: eas.logs(name=name),
            "DescribeServiceLog",
            Wire("GET", f"{PATH}/logs", [("PageNum", "1"), ("PageSize", "100")], capture="pai-eas.DescribeServiceLog"),
        ),
    ]
    for call, action, wire in calls:
        server.will(Answer(body={"RequestId": "R"}))
        call()
        check_signed(server.only, wire, action=action, version="2021-07-01")


def test_state_of_a_service_keeps_its_token_out_of_the_repr(eas: PaiEas, server: Recorder) -> None:
    state = {"ServiceName": "s", "Status": "Running", "AccessToken": "hush", "Weight": 80, "CurrentVersion": 2}
    server.will(Answer(body=state))
    service = eas.describe(name="s")
    assert (service.running, service.token, service.weight, service.version) == (True, "hush", 80, 2)
    assert "hush" not in repr(service)


def test_a_name_that_is_taken_is_a_conflict_and_a_missing_service_none(eas: PaiEas, server: Recorder) -> None:
    server.will(Answer(409, {"RequestId": "R", "Code": "ServiceAlreadyExists", "Message": "exists"}))
    with pytest.raises(ServiceConflict, match="'reranker_v1'"):
        eas.create(spec=SPEC)
    server.will(Answer(404, {"RequestId": "R", "Code": "InvalidService.NotFound", "Message": "no such service"}))
    assert eas.find(name="nowhere") is None


def test_predict_sends_the_token_and_the_bytes(server: Recorder) -> None:
    predictor = Predictor(url=f"{server.url}/api/predict/reranker_v1", token=SecretStr("a-token"))
    server.will(Answer(body=b'{"scores": [1]}'))
    assert predictor.predict(b'{"q": "x"}') == b'{"scores": [1]}'
    check(server.only, Wire("POST", "/api/predict/reranker_v1", body={"q": "x"}, capture="eas-predict.StringRequest"))
    assert server.only.headers["authorization"] == "a-token"
    assert server.only.headers["content-type"] == "application/octet-stream"
    predictor.close()


@pytest.mark.parametrize(
    ("answer", "expected", "calls"),
    [
        (Answer(401, b"authorization failed"), ServiceRefused, 1),
        (Answer(404, b"no such service"), ServiceNotFound, 1),
        (Answer(450, b"queue full"), ServiceUnavailable, 5),
        (Answer(503, b"no instance is ready"), ServiceUnavailable, 5),
        (Answer(body=b"half", cut=True), ServiceUnavailable, 5),
    ],
)
async def test_failed_predictions(server: Recorder, answer: Answer, expected: type[Exception], calls: int) -> None:
    predictor = AsyncPredictor(url=f"{server.url}/api/predict/s", token=SecretStr("a-token"))
    server.will(answer)
    with pytest.raises(expected) as caught:
        await predictor.predict(b"x")
    assert len(server.requests) == calls
    assert "a-token" not in str(caught.value)
    await predictor.aclose()
