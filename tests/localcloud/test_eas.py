"""Model services as processes, judged by the vendor's client of PAI-EAS."""

from __future__ import annotations

import json
import os
import secrets
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import oss2
import psutil
import pytest
from alibabacloud_eas20210701 import models
from alibabacloud_eas20210701.client import Client
from alibabacloud_tea_openapi.exceptions import AlibabaCloudException

from tests.localcloud.acs_clients import eas_client, wait_for
from tests.localcloud.conftest import bucket_of
from tests.servers import LocalCloud, local_cloud

REGION = "cn-hangzhou"
SERVER = """
import http.server, json, os, pathlib, threading, time
go = threading.Event()
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        if self.path == "/go":
            go.set()
        if self.path != "/stream":
            return self.answer(b"")
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for part in (b"data: one", b"data: two"):
            self.wfile.write(b"%x\\r\\n%s\\r\\n" % (len(part), part))
            self.wfile.flush()
            go.wait(20)
        self.wfile.write(b"0\\r\\n\\r\\n")
    def do_POST(self):
        self.answer(self.rfile.read(int(self.headers["content-length"])))
    def answer(self, body):
        time.sleep(float(self.headers.get("x-sleep") or 0))
        content = {"version": os.environ["V"], "pid": os.getpid(), "path": self.path, "body": body.decode(),
                   "model": pathlib.Path(os.environ["MODEL"]).read_text(), "token": self.headers.get("authorization")}
        data = json.dumps(content).encode()
        self.send_response(201 if body == b"create" else 200)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
    def log_message(self, *args):
        print("served", self.path, flush=True)
print("listening", flush=True)
http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""


def spec(bucket: oss2.Bucket, name: str, *, version: str = "1", instances: int = 1, **metadata: Any) -> dict[str, Any]:
    return {
        "name": name,
        "metadata": {"instance": instances, "cpu": 1, "memory": 1000, **metadata},
        "containers": [
            {
                "image": "img",
                "script": "exec python /code/serve.py",
                "port": 8000,
                "env": [{"name": "V", "value": version}, {"name": "MODEL", "value": "/code/model.txt"}],
            }
        ],
        "storage": [{"mount_path": "/code", "oss": {"path": f"oss://{bucket.bucket_name}/code/", "readOnly": True}}],
    }


def fill(bucket: oss2.Bucket) -> None:
    bucket.put_object("code/serve.py", SERVER)
    bucket.put_object("code/model.txt", "weights")


@pytest.fixture
def code(bucket: oss2.Bucket) -> oss2.Bucket:
    fill(bucket)
    return bucket


@pytest.fixture
def client(cloud: LocalCloud) -> Client:
    return eas_client(cloud)


@pytest.fixture
def name(client: Client) -> Iterator[str]:
    chosen = f"s{secrets.token_hex(5)}"
    yield chosen
    for service in client.list_services(models.ListServicesRequest(filter=chosen)).body.services:
        client.delete_service(REGION, service.service_name)


def create(client: Client, content: dict[str, Any], **more: Any) -> models.CreateServiceResponseBody:
    return client.create_service(models.CreateServiceRequest(body=json.dumps(content), **more)).body


def describe(client: Client, name: str) -> models.Service:
    return client.describe_service(REGION, name).body


def running(client: Client, name: str, version: int = 1) -> models.Service:
    return wait_for(
        lambda: describe(client, name), lambda seen: (seen.status, seen.current_version) == ("Running", version)
    )


def predict(service: models.Service, body: str = "x", **headers: str) -> dict[str, Any]:
    headers = {"Authorization": service.access_token, **headers}
    answer = httpx.post(service.internet_endpoint, content=body, headers=headers, timeout=20)
    assert answer.status_code in {200, 201}, answer.text
    content: dict[str, Any] = answer.json()
    return content


def refused(call: Callable[[], Any]) -> tuple[str, int]:
    with pytest.raises(AlibabaCloudException) as caught:
        call()
    return caught.value.code, caught.value.status_code


def test_a_service_serves_its_mounted_model_through_the_gateway(client: Client, name: str, code: oss2.Bucket) -> None:
    made = create(client, spec(code, name, instances=2), labels={"team": "rag"}, workspace_id="12345")
    assert (made.service_name, made.region, made.status) == (name, REGION, "Creating")
    service = running(client, name)
    assert (service.total_instance, service.running_instance, service.pending_instance) == (2, 2, 0)
    assert service.internet_endpoint == made.internet_endpoint
    seen = [predict(service, "text") for _ in range(12)]
    assert len({each["pid"] for each in seen}) == 2
    assert {(each["body"], each["path"], each["model"], each["token"]) for each in seen} == {
        ("text", "/", "weights", None)
    }
    url = service.internet_endpoint
    token = {"Authorization": f"Bearer {service.access_token}"}
    answer = httpx.post(f"{url}/v1/score?top=3&q=a%20b", content="create", headers=token)
    assert (answer.status_code, answer.json()["path"]) == (201, "/v1/score?top=3&q=a%20b")
    assert httpx.post(url, content="x").status_code == 401
    assert httpx.post(url, content="x", headers={"Authorization": "wrong"}).status_code == 401
    assert httpx.post(url.replace(name, "nobody"), content="x", headers=token).status_code == 404
    logs = client.describe_service_log(REGION, name, models.DescribeServiceLogRequest(page_size=2)).body
    assert (logs.logs, logs.page_num, logs.total_page_num >= 2) == (["listening", "listening"], 1, True)
    found = models.DescribeServiceLogRequest(keyword="score")
    assert client.describe_service_log(REGION, name, found).body.logs == ["served /v1/score?top=3&q=a%20b"]
    endpoints = client.describe_service_endpoints(REGION, name).body
    assert endpoints.endpoints[0].internet_endpoints == [url]
    labelled = models.ListServicesRequest(label={"team": "rag"}, filter=name, workspace_id="12345")
    assert [each.service_name for each in client.list_services(labelled).body.services] == [name]
    other = models.ListServicesRequest(label={"team": "other"}, filter=name)
    assert client.list_services(other).body.services == []


def test_an_update_rolls_over_and_back_without_a_failed_prediction(
    client: Client, name: str, code: oss2.Bucket
) -> None:
    create(client, spec(code, name))
    service = running(client, name)
    env = [{"name": "V", "value": "2"}, {"name": "MODEL", "value": "/code/model.txt"}]
    change = {"containers": [spec(code, name)["containers"][0] | {"env": env}]}
    client.update_service(REGION, name, models.UpdateServiceRequest(update_type="merge", body=json.dumps(change)))
    seen = wait_for(lambda: predict(service)["version"], lambda version: version == "2")
    assert seen == "2"
    assert running(client, name, 2).latest_version == 2
    client.update_service_version(REGION, name, models.UpdateServiceVersionRequest(version=1))
    wait_for(lambda: predict(service)["version"], lambda version: version == "1")
    assert running(client, name, 1).latest_version == 2
    versions = client.list_service_versions(REGION, name, models.ListServiceVersionsRequest()).body.versions
    assert [each.image_id for each in versions] == [2, 1]
    wrong = models.UpdateServiceVersionRequest(version=9)
    assert refused(lambda: client.update_service_version(REGION, name, wrong)) == ("InvalidParameter", 400)


def test_scaling_keeps_the_version_and_the_processes(client: Client, name: str, code: oss2.Bucket) -> None:
    create(client, spec(code, name))
    first = predict(running(client, name))["pid"]
    body = json.dumps({"metadata": {"instance": 3}})
    client.update_service(REGION, name, models.UpdateServiceRequest(body=body))
    wait_for(lambda: describe(client, name), lambda seen: seen.running_instance == 3 and seen.status == "Running")
    service = describe(client, name)
    assert (service.current_version, json.loads(service.service_config)["metadata"]["cpu"]) == (1, 1)
    instances = client.list_service_instances(REGION, name, models.ListServiceInstancesRequest()).body.instances
    assert {each.status for each in instances} == {"Running"}
    scaler = {"min": 1, "max": 2, "scaleStrategies": [{"metricName": "qps", "threshold": 10}]}
    strategies = [models.CreateServiceAutoScalerRequestScaleStrategies(metric_name="qps", threshold=10)]
    request = models.CreateServiceAutoScalerRequest(min=1, max=2, scale_strategies=strategies)
    client.create_service_auto_scaler(REGION, name, request)
    wait_for(lambda: describe(client, name), lambda seen: seen.total_instance == seen.running_instance == 2)
    assert first in {predict(service)["pid"] for _ in range(12)}
    assert client.describe_service_auto_scaler(REGION, name).body.max_replica == scaler["max"]
    client.delete_service_auto_scaler(REGION, name)


def test_traffic_of_a_group_goes_by_weight(client: Client, name: str, code: oss2.Bucket) -> None:
    blue, green = f"{name}_blue", f"{name}_green"
    create(client, spec(code, blue, version="blue", group=name))
    create(client, spec(code, green, version="green", group=name))
    service = running(client, blue)
    assert running(client, green).access_token == service.access_token
    group = client.describe_group(REGION, name).body
    assert group.access_token == service.access_token

    def seen(count: int) -> Counter[str]:
        token = {"Authorization": group.access_token}
        with httpx.Client(headers=token) as http:
            answers = [http.post(group.internet_endpoint, content="x") for _ in range(count)]
        return Counter(each.json()["version"] if each.status_code == 200 else each.status_code for each in answers)

    assert seen(1) == {503: 1}
    release = models.ReleaseServiceRequest
    client.release_service(REGION, blue, release(traffic_state="grouping", weight=100))
    assert seen(20) == {"blue": 20}
    client.release_service(REGION, green, release(traffic_state="grouping", weight=50))
    client.release_service(REGION, blue, release(weight=50))
    mixed = seen(60)
    assert mixed["blue"] > 10
    assert mixed["green"] > 10
    client.release_service(REGION, blue, release(traffic_state="standalone"))
    assert seen(20) == {"green": 20}
    assert predict(describe(client, blue))["version"] == "blue"
    state = describe(client, green)
    assert (state.service_group, state.traffic_state, state.weight) == (name, "grouping", 50)
    wrong = release(weight=1001)
    assert refused(lambda: client.release_service(REGION, blue, wrong)) == ("InvalidParameter", 400)


def test_what_dies_is_started_again_and_what_is_stopped_is_not(client: Client, name: str, code: oss2.Bucket) -> None:
    create(client, spec(code, name))
    service = running(client, name)
    pid = predict(service)["pid"]
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: psutil.pid_exists(pid), lambda there: not there)
    fresh = predict(running_again(client, name, pid))["pid"]
    assert fresh != pid
    client.stop_service(REGION, name)
    wait_for(lambda: describe(client, name).status, lambda status: status == "Stopped")
    assert not psutil.pid_exists(fresh)
    answer = httpx.post(service.internet_endpoint, headers={"Authorization": service.access_token})
    assert answer.status_code == 503
    client.start_service(REGION, name)
    assert predict(running(client, name))["body"] == "x"
    client.delete_service(REGION, name)
    assert refused(lambda: describe(client, name)) == ("ServiceNotFound", 404)


def running_again(client: Client, name: str, dead: int) -> models.Service:
    def another() -> bool:
        service = describe(client, name)
        answer = httpx.post(service.internet_endpoint, headers={"Authorization": service.access_token}, content="x")
        return answer.status_code == 200 and answer.json()["pid"] != dead

    wait_for(another, bool)
    return running(client, name)


def test_a_service_that_cannot_start_fails_with_a_reason(client: Client, name: str, code: oss2.Bucket) -> None:
    content = spec(code, name)
    content["containers"][0]["script"] = "echo no model; exit 3"
    create(client, content)
    service = wait_for(lambda: describe(client, name), lambda seen: seen.status == "Failed")
    assert "code 3" in service.message
    logs = client.describe_service_log(REGION, name, models.DescribeServiceLogRequest()).body.logs
    assert set(logs) == {"no model"}
    client.update_service(REGION, name, models.UpdateServiceRequest(body=json.dumps(spec(code, name))))
    running(client, name, 2)


def test_a_full_queue_a_slow_answer_and_faults_are_said(
    client: Client, cloud: LocalCloud, name: str, code: oss2.Bucket
) -> None:
    create(client, spec(code, name, rpc={"max_queue_size": 1, "keepalive": 1500}))
    service = running(client, name)

    def status(seconds: float) -> int:
        headers = {"Authorization": service.access_token, "x-sleep": str(seconds)}
        return httpx.post(service.internet_endpoint, content="x", headers=headers, timeout=10).status_code

    assert status(4) == 408
    with ThreadPoolExecutor(4) as pool:
        assert Counter(pool.map(status, [1.0] * 4)) == {200: 1, 450: 3}
    for kind, expected in (("429", 429), ("503", 503)):
        fault = {"service": "pai_eas", "action": "Predict", "kind": kind}
        httpx.post(f"{cloud.endpoint}/_faults", json=fault)
        assert status(0) == expected
    assert status(0) == 200


def test_an_answer_is_passed_on_as_it_comes(client: Client, name: str, code: oss2.Bucket) -> None:
    create(client, spec(code, name))
    service = running(client, name)
    with httpx.Client(headers={"Authorization": service.access_token}, timeout=10) as http:
        with http.stream("GET", f"{service.internet_endpoint}/stream") as answer:
            parts = answer.iter_raw()
            assert next(parts) == b"data: one"
            # The process goes on only now: had the gateway waited for its end, nothing would have come.
            assert httpx.get(f"{service.internet_endpoint}/go", headers=http.headers).status_code == 200
            assert b"".join(parts) == b"data: two"
        assert answer.headers["content-type"] == "text/event-stream"


def test_wrong_services_are_refused(client: Client, name: str, code: oss2.Bucket) -> None:
    # As the client's users also write it: an object in the place of its JSON.
    client.create_service(models.CreateServiceRequest(body=spec(code, name)))
    assert refused(lambda: create(client, spec(code, name))) == ("ServiceAlreadyExists", 409)
    for wrong in (
        {"name": "UPPER"},
        {"containers": []},
        {"metadata": {"instance": 99}},
        {"storage": [{"mount_path": "/x", "oss": {"path": "nas://x"}}]},
    ):
        assert refused(lambda wrong=wrong: create(client, spec(code, f"{name}x") | wrong))[1] == 400
    assert refused(lambda: describe(client, "nobody")) == ("ServiceNotFound", 404)


@pytest.mark.slow
def test_services_come_back_after_a_killed_cloud(tmp_path: Path) -> None:
    with local_cloud(tmp_path, access_key_secret="secret") as cloud:
        bucket = bucket_of(cloud, "models")
        bucket.create_bucket()
        fill(bucket)
        create(eas_client(cloud), spec(bucket, "survivor"))
        service = running(eas_client(cloud), "survivor")
        old = predict(service)["pid"]
        cloud.kill()
    with local_cloud(tmp_path, access_key_secret="secret") as cloud:
        assert not psutil.pid_exists(old)
        again = running(eas_client(cloud), "survivor")
        assert again.access_token == service.access_token
        last = predict(again)["pid"]
    assert not psutil.pid_exists(last)
