"""The query service as a process of its own, with whatever settings the environment is to give."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from searchloom.settings import Settings
from tests.query.conftest import ROOT, wait_for
from tests.query.test_process import environment
from tests.servers import free_port


@contextmanager
def service(settings: Settings, log: Path, **more: str) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Run it; ``more`` are settings by their names (``CHAT__TURNS="3"``). Yields its URL and the process."""
    url = f"http://127.0.0.1:{free_port()}"
    given = {
        "BAILIAN__URL": settings.bailian.url,
        "BAILIAN__API_KEY": settings.bailian.api_key.get_secret_value(),
        **more,
    }
    variables = environment(settings, url) | {f"SEARCHLOOM_{name}": value for name, value in given.items()}
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "searchloom.query"],
            cwd=ROOT,
            env=variables,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        wait_for(lambda: bool(httpx.get(f"{url}/readyz", timeout=5.0).json()["releases"]), process)
        yield url, process
    finally:
        process.kill()
        process.wait()
