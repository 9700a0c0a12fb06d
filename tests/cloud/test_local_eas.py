"""Our clients of PAI-EAS against the local cloud, which starts services as processes behind a gateway."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from searchloom.cloud.pai_eas import PaiEas, Service
from searchloom.cloud.pai_eas_predict import AsyncPredictor, Predictor
from searchloom.errors import ServiceConflict, ServiceNotFound, ServiceRefused, ServiceUnavailable
from searchloom.settings import Acs
from tests.servers import LocalCloud

WAIT_S = 60
SERVER = """
import http.server, json, os
class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        said = self.rfile.read(int(self.headers["content-length"])).decode()
        data = json.dumps({"colour": os.environ["COLOUR"], "said": said}).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
print("listening", flush=True)
http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""


@pytest.fixture
def eas(real_acs: Acs) -> PaiEas:
    return PaiEas(real_acs, workspace_id="12345")


@pytest.fixture
def name(eas: PaiEas) -> Iterator[str]:
    """A name of which no service is left afterwards, nor one that begins with it."""
    chosen = f"s{secrets.token_hex(5)}"
    yield chosen
    for service in list(eas.list(name_contains=chosen)):
        eas.delete(name=service.name)


def spec(name: str, colour: str = "blue", **metadata: Any) -> dict[str, Any]:
    environment = [{"name": "COLOUR", "value": colour}, {"name": "SERVER", "value": SERVER}]
    container = {"image": "img", "script": 'exec python -c "$SERVER"', "port": 8000, "env": environment}
    return {"name": name, "metadata": {"instance": 1, **metadata}, "containers": [container]}


def running(eas: PaiEas, name: str, *, version: int = 1, instances: int = 1) -> Service:
    deadline = time.monotonic() + WAIT_S
    while True:
        service = eas.describe(name=name)
        if service.running and (service.version, service.running_instances) == (version, instances):
            return service
        assert not service.failed, service
        assert time.monotonic() < deadline, service
        time.sleep(0.1)


def predictor(url: str, token: str) -> Predictor:
    return Predictor(url=url, token=SecretStr(token))


async def test_a_service_lives_through_its_versions(eas: PaiEas, name: str) -> None:
    assert eas.create(spec=spec(name), labels={"team": "rag"}) == name
    with pytest.raises(ServiceConflict):
        eas.create(spec=spec(name))
    service = running(eas, name)
    assert json.loads(predictor(service.url, service.token).predict(b"hi")) == {"colour": "blue", "said": "hi"}
    online = AsyncPredictor(url=service.url, token=SecretStr(service.token))
    assert json.loads(await online.predict("ü".encode()))["said"] == "ü"
    await online.aclose()
    with pytest.raises(ServiceRefused, match="check the key"):
        predictor(service.url, "wrong").predict(b"hi")
    eas.update(name=name, spec={"containers": spec(name, "green")["containers"]})
    running(eas, name, version=2)
    assert json.loads(predictor(service.url, service.token).predict(b""))["colour"] == "green"
    assert len(eas.versions(name=name)) == 2
    eas.roll_back(name=name, version=1)
    running(eas, name, version=1)
    assert "listening" in eas.logs(name=name)
    eas.delete(name=name)
    assert eas.find(name=name) is None
    with pytest.raises(ServiceNotFound):
        predictor(service.url, service.token).predict(b"hi")


def test_instances_and_stopping(eas: PaiEas, name: str) -> None:
    eas.create(spec=spec(name))
    service = running(eas, name)
    eas.scale(name=name, instances=2)
    assert running(eas, name, version=eas.describe(name=name).version, instances=2).instances == 2
    eas.autoscale(name=name, lowest=1, highest=3)
    eas.stop(name=name)
    with pytest.raises(ServiceUnavailable):
        predictor(service.url, service.token).predict(b"hi")


def test_traffic_moves_from_blue_to_green(eas: PaiEas, name: str) -> None:
    for colour in ("blue", "green"):
        eas.create(spec=spec(f"{name}_{colour}", colour, group=name))
    for colour in ("blue", "green"):
        running(eas, f"{name}_{colour}")
    entry = eas.group(name=name)
    group = predictor(entry.url, entry.token)
    for chosen, other in (("blue", "green"), ("green", "blue")):
        eas.release(name=f"{name}_{chosen}", weight=100)
        eas.release(name=f"{name}_{other}", weight=0)
        assert {json.loads(group.predict(b""))["colour"] for _ in range(10)} == {chosen}
    assert eas.describe(name=f"{name}_green").weight == 100


def test_a_service_whose_answer_got_lost_is_there(eas: PaiEas, name: str, cloud: LocalCloud) -> None:
    fault = {"service": "pai_eas", "action": "CreateService", "kind": "lost_answer"}
    httpx.post(f"{cloud.endpoint}/_faults", json=fault).raise_for_status()
    with pytest.raises(ServiceUnavailable, match=name):
        eas.create(spec=spec(name))
    assert running(eas, name).name == name
