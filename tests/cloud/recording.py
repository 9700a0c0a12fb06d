"""A real HTTP server on loopback that writes down what it is sent and answers what it is told to."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit


@dataclass(frozen=True)
class Answer:
    """What to send back. ``body``: bytes as they are, anything else as JSON. ``cut``: promise more than is sent."""

    status: int = 200
    body: Any = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: bool = False
    delay_s: float = 0.0


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    query: list[tuple[str, str]]
    headers: dict[str, str]
    raw: bytes

    @property
    def body(self) -> Any:
        if not self.raw:
            return None
        if "json" in self.headers.get("content-type", "") or self.raw[:1] in {b"{", b"["}:
            return json.loads(self.raw)
        return self.raw.decode()

    @property
    def signed_headers(self) -> list[str]:
        fields = dict(part.split("=", 1) for part in self.headers["authorization"].partition(" ")[2].split(","))
        return fields["SignedHeaders"].split(";")


class Recorder:
    """``answers`` are given in order, the last one again and again."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.requests: list[Request] = []
        self.answers: list[Answer] = [Answer()]

    def will(self, *answers: Answer) -> None:
        self.requests.clear()
        self.answers = list(answers) or [Answer()]

    def take(self, request: Request) -> Answer:
        self.requests.append(request)
        return self.answers[min(len(self.requests), len(self.answers)) - 1]

    @property
    def only(self) -> Request:
        assert len(self.requests) == 1, [(request.method, request.path) for request in self.requests]
        return self.requests[0]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def handle_one_request(self) -> None:
        self.raw_requestline = self.rfile.readline(65537)
        if not self.raw_requestline or not self.parse_request():
            self.close_connection = True
            return
        parts = urlsplit(self.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        raw = self._chunks() if "chunked" in headers.get("transfer-encoding", "") else self._sized(headers)
        query = parse_qsl(parts.query, keep_blank_values=True)
        self._send(self.server.recorder.take(Request(self.command, parts.path, query, headers, raw)))

    def _sized(self, headers: Mapping[str, str]) -> bytes:
        return self.rfile.read(int(headers.get("content-length") or 0))

    def _chunks(self) -> bytes:
        data = b""
        while size := int(self.rfile.readline(), 16):
            data += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return data

    def _send(self, answer: Answer) -> None:
        time.sleep(answer.delay_s)
        body = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
        self.send_response(answer.status)
        for name, value in {"Content-Type": "application/json;charset=utf-8", **answer.headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body) + 100 * answer.cut))
        self.end_headers()
        try:
            self.wfile.write(body)
            self.wfile.flush()
        except OSError:
            self.close_connection = True
        if answer.cut:
            self.close_connection = True

    def log_message(self, *_: object) -> None:
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    recorder: Recorder


@contextmanager
def recorder() -> Iterator[Recorder]:
    server = _Server(("127.0.0.1", 0), _Handler)
    server.recorder = Recorder(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server.recorder
    finally:
        server.shutdown()
        server.server_close()
