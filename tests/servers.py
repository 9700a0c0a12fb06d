"""Starts the real servers that tests talk to, each on a free port, and stops them by their own process group."""

from __future__ import annotations

import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path

_INCLUDE = Path(__file__).resolve().parent.parent / "include"
CACHE = _INCLUDE.parent / ".cache" / "localcloud-tests"
_START_S = 60.0


@dataclass(frozen=True, slots=True)
class LocalCloud:
    """A running local cloud and the credentials that it accepts."""

    endpoint: str
    access_key_id: str
    access_key_secret: str
    region: str
    pid: int

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        host, _, port = self.endpoint.removeprefix("http://").partition(":")
        return host, int(port)

    def kill(self) -> None:
        """Kill it at once, as a crash would (SIGKILL)."""
        os.killpg(self.pid, signal.SIGKILL)


def free_port() -> int:
    """A TCP port on loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def local_cloud(
    state_dir: Path,
    *,
    access_key_id: str = "test-access-key",
    access_key_secret: str | None = None,
    variables: Mapping[str, str] | None = None,
) -> Iterator[LocalCloud]:
    """Serve ``state_dir`` while the block runs; a second start on the same folder finds what the first one kept.

    ``variables`` are added to the environment. Unpacked weights are kept for later runs, and no reranker is taught.
    """
    port = free_port()
    secret = access_key_secret or secrets.token_hex(16)
    state_dir.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "localcloud", "--port", str(port), "--state", str(state_dir)]
    environment = {
        **os.environ,
        "LOCALCLOUD_ACCESS_KEY_SECRET": secret,
        "LOCALCLOUD_CACHE": str(CACHE),
        "LOCALCLOUD_TEACHING_STEPS": "0",
        "PYTHONPATH": str(_INCLUDE),
        **(variables or {}),
    }
    log_path = state_dir / "server.log"
    with log_path.open("ab") as log:
        process = subprocess.Popen(
            [*command, "--access-key-id", access_key_id],
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    cloud = LocalCloud(f"http://127.0.0.1:{port}", access_key_id, secret, "cn-hangzhou", process.pid)
    try:
        _wait_until_healthy(cloud, process, log_path)
        yield cloud
    finally:
        _stop(process)


def _wait_until_healthy(cloud: LocalCloud, process: subprocess.Popen[bytes], log_path: Path) -> None:
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        connection = HTTPConnection(*cloud.address, timeout=5)
        try:
            connection.request("GET", "/_health")
            if connection.getresponse().status == 200:
                return
        except OSError:
            time.sleep(0.05)
        finally:
            connection.close()
    raise RuntimeError(f"The local cloud did not become healthy; its log says:\n{log_path.read_text(errors='replace')}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    try:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=10)
    except ProcessLookupError:
        process.wait()
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
