"""One process of a service."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import httpx

from localcloud.line_logs import copy_lines
from localcloud.mounts import Mount
from localcloud.pai_eas.config import ServiceConfig
from localcloud.processes import as_environment, base_environment
from localcloud.timestamps import now_ms

# Every process has this variable with the state folder, which is how those of a killed local cloud are found.
ROOT_VARIABLE = "LOCALCLOUD_EAS_STATE"
_GRACE_S = 5.0
# Together with the grace for requests below the ten seconds that a stopped local cloud is given.
_TERM_S = 3.0
_PROBE_S = 2.0
_HANDOVER_S = 0.1


class Replica:
    """A started process: where it listens, whether it answers, and what it is counted as."""

    def __init__(
        self,
        name: str,
        number: tuple[int, int],
        config: ServiceConfig,
        *,
        mounts: Sequence[Mount],
        root: Path,
        log: Path,
    ) -> None:
        self.name = name
        self.number = number
        self.port = _free_port()
        self.started_ms = now_ms()
        self.log = log
        self.healthy = False
        self.ending = False
        self.in_flight = 0
        work = root / "work" / config.name
        work.mkdir(parents=True, exist_ok=True)
        log.parent.mkdir(parents=True, exist_ok=True)
        own = {**config.environment(self.port, mounts), ROOT_VARIABLE: str(root), "INSTANCE_NAME": name}
        self._process = subprocess.Popen(
            ["bash", "-c", config.command(self.port, mounts)],
            cwd=work,
            env=as_environment(base_environment(), own),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        threading.Thread(target=copy_lines, args=(self._process.stdout, log), name=name, daemon=True).start()

    @property
    def exit_code(self) -> int | None:
        """How the process ended; None while it runs."""
        return self._process.poll()

    def probe(self) -> None:
        """Note whether it answers HTTP, whatever the answer is."""
        try:
            httpx.get(f"http://127.0.0.1:{self.port}/", timeout=_PROBE_S, trust_env=False)
        except httpx.HTTPError:
            return
        self.healthy = not self.ending

    def end(self) -> None:
        """Stop it, with everything in its process group; a request in work may end first."""
        self.ending, self.healthy = True, False
        # A request that was given to this process a moment ago must be seen to be in work.
        time.sleep(_HANDOVER_S)
        deadline = time.monotonic() + _GRACE_S
        while self.in_flight and time.monotonic() < deadline:
            time.sleep(0.05)
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_TERM_S)
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
