"""A proxy between the real client and a real engine that misbehaves on request (fault injection, not a mock)."""

from __future__ import annotations

import http.client
import json
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

BUSY = {"status": 429, "error": {"type": "es_rejected_execution_exception", "reason": "the queue is full"}}


@dataclass(frozen=True)
class Fault:
    """What to do to one ``_bulk`` request.

    ``status``: answer this without asking the engine. ``busy``: positions of items that are turned away with 429
    inside an HTTP 200. ``cut``: break the connection, ``before`` or ``after`` the engine has done the work.
    """

    status: int = 0
    busy: frozenset[int] = frozenset()
    cut: str = ""


@dataclass
class Proxy:
    """Faults wait in a queue, one a ``_bulk`` request; ``max_bytes`` is enforced all the time (413)."""

    url: str
    faults: deque[Fault] = field(default_factory=deque)
    max_bytes: int = 1 << 30
    bulk_requests: int = 0


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    proxy: Proxy
    target: str

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        fault = Fault()
        if "/_bulk" in self.path:
            self.proxy.bulk_requests += 1
            if len(body) > self.proxy.max_bytes:
                return self._answer(413, b"<html>413 Request Entity Too Large</html>", {"content-type": "text/html"})
            fault = self.proxy.faults.popleft() if self.proxy.faults else fault
        if fault.status:
            return self._answer(fault.status, b'{"error": {"type": "made_up", "reason": "not now"}}', {})
        if fault.cut != "before":
            status, answer, headers = self._forward(body, fault.busy)
            if not fault.cut:
                return self._answer(status, answer, headers)
        self.close_connection = True
        return None

    def _fault(self, size: int) -> Fault:
        self.proxy.bulk_requests += 1
        if size > self.proxy.max_bytes:
            return Fault(status=413)
        return self.proxy.faults.popleft() if self.proxy.faults else Fault()

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = _serve  # noqa: N815  the names are http.server's

    def _forward(self, body: bytes, busy: frozenset[int]) -> tuple[int, bytes, dict[str, str]]:
        left = _without(body, busy) if busy else body
        if busy and not left:
            return 200, _busy_items(b'{"items": []}', busy), {"x-elastic-product": "Elasticsearch"}
        connection = http.client.HTTPConnection(urlsplit(self.target).netloc, timeout=60)
        passed = {name: value for name, value in self.headers.items() if name.lower() not in {"host", "content-length"}}
        connection.request(self.command, self.path, left, passed)
        response = connection.getresponse()
        answer = response.read()
        headers = {k: v for k, v in response.getheaders() if k.lower() in {"content-type", "x-elastic-product"}}
        connection.close()
        return response.status, _busy_items(answer, busy) if busy else answer, headers

    def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in ({"content-type": "application/json"} | headers).items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Keep the tests' output clean."""


@contextmanager
def misbehaving_proxy(target: str) -> Iterator[Proxy]:
    """Stand before the engine at ``target`` on a free port."""
    proxy = Proxy(url="")
    handler = type("Handler", (_Handler,), {"proxy": proxy, "target": target})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    proxy.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield proxy
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _busy_items(answer: bytes, positions: frozenset[int]) -> bytes:
    items = json.loads(answer)["items"]
    for position in sorted(positions):
        items.insert(position, {"index": BUSY})
    return json.dumps({"items": items}).encode()


def _without(body: bytes, positions: frozenset[int]) -> bytes:
    """Leave the bulk items at these positions out (each is two lines: the tests that use it only index)."""
    lines = body.splitlines(keepends=True)
    pairs = [lines[start : start + 2] for start in range(0, len(lines), 2)]
    return b"".join(b"".join(pair) for position, pair in enumerate(pairs) if position not in positions)
