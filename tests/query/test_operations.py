"""What those who run the service see: metrics, traces, logs, readiness, and how it leaves."""

from __future__ import annotations

import json
import re
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
from fastapi.testclient import TestClient
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from searchloom import tracing
from searchloom.query import tokens
from searchloom.settings import Engine, Settings
from tests.query.collection import CORPUS
from tests.query.conftest import wait_for
from tests.query.tcp_proxy import tcp_proxy
from tests.query.test_process import query_service
from tests.query.test_search import search

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = f"00-{TRACE}-00f067aa0ba902b7-01"


def measured(client: TestClient, name: str) -> float:
    """The value of a metric, its labels as they are written; 0 before it was ever counted."""
    found = re.search(rf"^{re.escape(name)} (\S+)$", client.get("/metrics").text, re.MULTILINE)
    return float(found[1]) if found else 0.0


def test_metrics_tell_of_requests_steps_engines_and_releases(client: TestClient) -> None:
    requests = 'searchloom_request_seconds_count{method="POST",route="/v1/search",status="200"}'
    steps, served = 'searchloom_step_seconds_count{step="bm25"}', "searchloom_engine_searches_total"
    before = [measured(client, name) for name in (requests, steps)]
    engine = search(client, "merge two tables", mode="bm25")["engine"]
    assert [measured(client, name) for name in (requests, steps)] == [count + 1 for count in before]
    assert measured(client, f'{served}{{engine="{engine}",outcome="served"}}') >= 2  # found, and shown
    assert measured(client, f'searchloom_release{{corpus="{CORPUS}"}}') == 1
    assert measured(client, f'searchloom_engine_circuit{{engine="{engine}"}}') == 0
    assert client.get("/metrics").headers["content-type"].startswith("text/plain")


def test_metrics_name_no_user_no_tenant_and_no_query(client: TestClient) -> None:
    search(client, "confidential question")
    client.get("/v1/some-secret-path")
    text = client.get("/metrics").text
    assert not any(word in text for word in ("confidential", "tester", "default", "some-secret-path"))


def test_an_answer_carries_the_trace_that_its_caller_began(client: TestClient) -> None:
    assert search(client, "merge", headers={"traceparent": PARENT})["trace_id"] == TRACE
    alone = {search(client, "merge", headers=headers)["trace_id"] for headers in (None, {"traceparent": "nonsense"})}
    assert len(alone) == 2
    assert all(re.fullmatch(r"[0-9a-f]{32}", one) for one in alone)


def test_the_trace_travels_on_to_whoever_is_called() -> None:
    with tracing.serving("a request", {"traceparent": PARENT}), tracing.span("a step"), tracing.calling("an engine"):
        assert tracing.outgoing()["traceparent"].split("-")[1] == TRACE
    assert tracing.outgoing() == {}
    assert tracing.trace_id() == ""


@pytest.fixture
def collector() -> Iterator[tuple[str, list[ExportTraceServiceRequest]]]:
    """Somebody who takes spans over OTLP/HTTP."""
    taken: list[ExportTraceServiceRequest] = []

    class Taking(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            taken.append(ExportTraceServiceRequest.FromString(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

    server = ThreadingHTTPServer(("127.0.0.1", 0), Taking)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/v1/traces", taken
    server.shutdown()
    server.server_close()


def test_spans_of_every_hop_are_exported_where_that_is_wanted(
    served: Settings, collector: tuple[str, list[ExportTraceServiceRequest]], tmp_path: Path
) -> None:
    endpoint, taken = collector
    with query_service(served, tmp_path / "log", QUERY__OTLP_ENDPOINT=endpoint) as (url, process):
        headers = {"Authorization": f"Bearer {tokens.sign(served, user='ann')}", "traceparent": PARENT}
        body = {"query": "traced tables", "corpus": CORPUS}
        answer = httpx.post(f"{url}/v1/search", json=body, headers=headers, timeout=30)
        assert answer.json()["trace_id"] == TRACE
        process.send_signal(signal.SIGTERM)  # which sends what was not sent yet
        assert process.wait(timeout=30) == 0
    spans = [
        span
        for request in taken
        for resource in request.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
        if span.trace_id.hex() == TRACE
    ]
    by_name = {span.name: span for span in spans}
    root = by_name["POST /v1/search"]
    assert root.parent_span_id.hex() == PARENT.split("-")[2]
    steps = {"embed", "bm25", "vector", "fuse", "passages"}
    assert steps <= by_name.keys()
    assert all(by_name[name].parent_span_id == root.span_id for name in steps)
    calls = [name for name in by_name if "POST /" in name and name != "POST /v1/search"]
    assert any("_search" in name for name in calls)
    assert any("embedding service" in name for name in calls)
    assert "traced tables" not in str(spans)


def test_every_log_line_is_json_and_names_its_request(served: Settings, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with tcp_proxy(served.opensearch.url) as proxy:
        own = served.model_copy(update={"opensearch": Engine(url=proxy.url)})
        with query_service(own, log) as (url, _):
            proxy.refuse()
            headers = {"Authorization": f"Bearer {tokens.sign(served, user='ann')}", "x-request-id": "log-1"}
            body = {"query": "merge", "corpus": CORPUS, "engine": "opensearch"}
            assert httpx.post(f"{url}/v1/search", json=body, headers=headers, timeout=30).status_code == 200
            wait_for(lambda: "/v1/search" in log.read_text())
    lines = [json.loads(line) for line in log.read_text().splitlines() if not line.startswith("[")]  # granian's own
    mine = [line for line in lines if line.get("request_id") == "log-1"]
    assert any("opensearch is left out" in line.get("message", "") for line in mine)
    assert all("time" in line for line in lines)


def test_it_drains_not_ready_any_more_but_what_is_under_way_is_answered(served: Settings, tmp_path: Path) -> None:
    with tcp_proxy(served.opensearch.url) as one, tcp_proxy(served.elasticsearch.url) as other:
        addresses = {"opensearch": Engine(url=one.url), "elasticsearch": Engine(url=other.url)}
        own = served.model_copy(update=addresses)
        with query_service(own, tmp_path / "log", QUERY__DRAIN_S="1.5", QUERY__DEADLINE_MS="20000") as (url, process):
            headers = {"Authorization": f"Bearer {tokens.sign(served, user='ann')}"}
            body = {"query": "merge", "corpus": CORPUS}
            for proxy in (one, other):
                proxy.hang()
            with ThreadPoolExecutor(1) as pool:
                answering = pool.submit(httpx.post, f"{url}/v1/search", json=body, headers=headers, timeout=60)
                wait_for(lambda: "searchloom_working 1.0" in httpx.get(f"{url}/metrics").text)
                process.send_signal(signal.SIGTERM)
                wait_for(lambda: httpx.get(f"{url}/readyz", timeout=10).json()["draining"], seconds=5)
                assert httpx.get(f"{url}/healthz").status_code == 200
                wait_for(lambda: _refuses(url), seconds=20)  # no new ones, and the one is still under way
                for proxy in (one, other):
                    proxy.recover()
                assert answering.result().status_code == 200
            assert process.wait(timeout=30) == 0


def _refuses(url: str) -> bool:
    try:
        httpx.get(f"{url}/healthz", timeout=1)
    except httpx.HTTPError:
        return True
    return False
