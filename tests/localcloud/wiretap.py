"""Stands between a client and the local cloud, passes everything on unchanged and writes the requests down.

``Proof`` holds what was sent against the recordings of the vendors' SDKs, where those lie beside the checkout.
"""

from __future__ import annotations

import http.client
import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeVar
from urllib.parse import parse_qsl, quote, urlsplit

from tests.cloud.golden import CAPTURES
from tests.cloud.recording import Request
from tests.servers import LocalCloud

Result = TypeVar("Result")
HOP = {"connection", "transfer-encoding", "keep-alive"}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def handle_one_request(self) -> None:
        self.raw_requestline = self.rfile.readline(65537)
        if not self.raw_requestline or not self.parse_request():
            self.close_connection = True
            return
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = self.rfile.read(int(headers.get("content-length") or 0))
        parts = urlsplit(self.path)
        query = parse_qsl(parts.query, keep_blank_values=True)
        self.server.seen.append(Request(self.command, parts.path, query, headers, body))
        self._pass_on(body)

    def _pass_on(self, body: bytes) -> None:
        upstream = http.client.HTTPConnection(*self.server.cloud.address, timeout=120)
        # The Host header goes on as it came: the signatures cover it.
        upstream.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            if name.lower() not in HOP:
                upstream.putheader(name, value)
        upstream.endheaders(body or None)
        answer = upstream.getresponse()
        content = answer.read()
        self.send_response_only(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in HOP | {"content-length"}:
                self.send_header(name, value)
        length = answer.getheader("content-length", "0") if self.command == "HEAD" else str(len(content))
        if answer.status != 204:
            self.send_header("Content-Length", length)
        self.end_headers()
        self.wfile.write(content)
        upstream.close()

    def log_message(self, *_: object) -> None:
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    cloud: LocalCloud
    seen: list[Request]


@dataclass
class Proof:
    """A cloud to talk to through the tap, and which recordings were sent again and taken.

    ``ids``: what has an id of its own here, by what the recordings call it.
    """

    cloud: LocalCloud
    seen: list[Request]
    ids: dict[str, str] = field(default_factory=dict)
    proven: set[str] = field(default_factory=set)

    def sends(self, capture: str, call: Callable[[], Result], *, loose: tuple[str, ...] = ()) -> Result:
        """Make the call, which must succeed, and compare its one request with the recording.

        ``loose``: parts (``body``, the name of a query parameter) that cannot be the same.
        """
        self.seen.clear()
        result = call()
        assert len(self.seen) == 1, [(each.method, each.path) for each in self.seen]
        if CAPTURES.is_dir():
            recorded = json.loads((CAPTURES / f"{capture}.json").read_text())["requests"][0]
            ours, theirs = _sent(self.seen[0], self.ids, loose), _recorded(recorded, loose)
            different = {part: (ours[part], theirs[part]) for part in ours if ours[part] != theirs[part]}
            assert not different, (capture, different)
        self.proven.add(capture)
        return result


def _sent(request: Request, ids: Mapping[str, str], loose: tuple[str, ...]) -> dict[str, Any]:
    def renamed(text: str) -> str:
        for ours, theirs in ids.items():
            text = text.replace(ours, theirs).replace(quote(ours), quote(theirs))
        return text

    body = None if "body" in loose or not request.raw else renamed(request.raw.decode())
    query = [(name, renamed(value)) for name, value in request.query if name not in loose]
    return {
        "method": request.method,
        "path": renamed(request.path),
        "query": sorted(query),
        "headers": sorted(set(request.headers) - HOP),
        "body": _parsed(body),
    }


def _recorded(recorded: Mapping[str, Any], loose: tuple[str, ...]) -> dict[str, Any]:
    return {
        "method": recorded["method"],
        "path": recorded["path"],
        "query": sorted((name, value) for name, value in recorded["query"] if name not in loose),
        "headers": sorted(set(recorded["headers"]) - HOP),
        "body": None if "body" in loose else _parsed(recorded["body"]),
    }


def _parsed(body: Any) -> Any:
    if not isinstance(body, str):
        return body
    try:
        return json.loads(body)
    except ValueError:
        return re.sub(r"[0-9a-f]{32}", "<boundary>", body)


@contextmanager
def wiretap(cloud: LocalCloud) -> Iterator[Proof]:
    server = _Server(("127.0.0.1", 0), _Handler)
    server.cloud, server.seen = cloud, []
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield Proof(replace(cloud, endpoint=f"http://127.0.0.1:{server.server_port}"), server.seen)
    finally:
        server.shutdown()
        server.server_close()


def recordings(*services: str) -> set[str]:
    """The names of the recordings of these services, without those that record an error."""
    names = {path.stem for path in CAPTURES.glob("*.json")}
    return {name for name in names if name.partition(".")[0] in services and ".ERR" not in name}
