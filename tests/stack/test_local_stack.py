"""The real parts, through the command line, as root or not: up, up again, kill -9, down."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from searchloom.settings import load
from searchloom.stack.process import Keeper

pytestmark = pytest.mark.slow
ADDRESSES = ("OSS__ENDPOINT", "OPENSEARCH__URL", "ELASTICSEARCH__URL", "AIRFLOW__URL", "EMBEDDING__URL", "QUERY__URL")

PROGRAM = """
import typer
from searchloom.stack import commands
app = typer.Typer()
for command in (commands.up, commands.down, commands.status):
    app.command()(command)
app()
"""


class Stack:
    """A stack of its own: its state below a new folder, its ports free ones."""

    def __init__(self, state: Path) -> None:
        self.state = state
        self.keeper = Keeper(state)
        self.environment = {
            **os.environ,
            "SEARCHLOOM_STATE": str(state),
            "SEARCHLOOM_CACHE": str(load().cache),
            **{f"SEARCHLOOM_{name}": f"http://127.0.0.1:{free_port()}" for name in ADDRESSES},
        }

    def run(self, *arguments: str) -> str:
        command = [sys.executable, "-c", PROGRAM, *arguments]
        answer = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False)
        assert answer.returncode == 0, answer.stdout + answer.stderr
        return answer.stdout

    def up(self, without: str) -> dict[str, int]:
        self.run("up", "--without", without)
        return self.pids()

    def pids(self) -> dict[str, int]:
        found = json.loads(self.run("status", "--json"))
        assert all(set(part) == {"name", "state", "pid", "url", "version"} for part in found)
        return {part["name"]: part["pid"] for part in found if part["state"] == "running"}

    def url(self, name: str) -> str:
        return self.environment[f"SEARCHLOOM_{name}"]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def stack() -> Iterator[Stack]:
    state = Path(tempfile.mkdtemp(prefix="searchloom-stack-"))
    stack = Stack(state)
    try:
        yield stack
    finally:
        for name in stack.keeper.known():
            stack.keeper.stop(name, grace=5)
        shutil.rmtree(state)


def test_engines_survive_kill_9_with_every_acknowledged_document(stack: Stack):
    without = "airflow,embedding,query"
    before = stack.up(without)
    assert set(before) == {"localcloud", "opensearch", "elasticsearch"}
    assert stack.up(without) == before
    indices = [f"{stack.url(name)}/notes" for name in ("OPENSEARCH__URL", "ELASTICSEARCH__URL")]
    documents = [f"{index}/_doc/1" for index in indices]
    for index in indices:
        httpx.put(index, timeout=60).raise_for_status()
    for document in documents:
        httpx.put(document, json={"text": "kept"}, timeout=30).raise_for_status()
    for engine in ("opensearch", "elasticsearch"):
        os.kill(before[engine], signal.SIGKILL)
    after = stack.up(without)
    assert after["localcloud"] == before["localcloud"]
    assert all(after[engine] != before[engine] for engine in ("opensearch", "elasticsearch"))
    for document in documents:
        assert httpx.get(document, timeout=30).json()["_source"] == {"text": "kept"}
    members = [process for name in stack.keeper.known() for process in stack.keeper.members(name)]
    if os.geteuid() == 0:
        engines = [process for process in members if process.name() == "java"]
        assert engines
        assert all(process.username() == "nobody" for process in engines)
    stack.run("down")
    assert not any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in members)
    assert stack.pids() == {}


def test_airflow_listens_on_loopback_only_and_down_leaves_nothing(stack: Stack):
    before = stack.up("engines,embedding,query")
    processes = {"airflow-api-server", "airflow-scheduler", "airflow-dag-processor", "airflow-triggerer"}
    assert set(before) == {"localcloud", *processes}
    members = [process for name in before for process in stack.keeper.members(name)]
    hosts = {
        connection.laddr.ip
        for process in members
        for connection in process.net_connections(kind="inet")
        if connection.status == psutil.CONN_LISTEN
    }
    assert hosts == {"127.0.0.1"}
    os.kill(before["airflow-scheduler"], signal.SIGKILL)
    after = stack.up("engines,embedding,query")
    changed = {name for name in processes if after[name] != before[name]}
    assert changed == {"airflow-scheduler"}
    stack.run("down")
    assert not any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in members)
