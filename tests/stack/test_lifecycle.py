"""Starting and stopping, with small servers in the place of the big ones."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from searchloom.errors import Terminal, UsageError
from searchloom.settings import Settings
from searchloom.stack import lifecycle, parts
from searchloom.stack.part import Launch, Part, answers
from searchloom.stack.process import Keeper


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def server(port: int, name: str = "server", command: tuple[str, ...] | None = None) -> Part:
    command = command or (sys.executable, "-m", "http.server", "--bind", "127.0.0.1", str(port))
    url = f"http://127.0.0.1:{port}"
    launch = Launch(command, dict(os.environ), Path("/"))
    return Part(name, "1", url, lambda: launch, answers(url), port=port, patience=20, grace=5)


@pytest.fixture
def keeper(tmp_path: Path):
    keeper = Keeper(tmp_path)
    yield keeper
    for name in keeper.known():
        keeper.stop(name, grace=5)


@pytest.fixture
def said() -> list[tuple[str, str]]:
    return []


def start(keeper: Keeper, said: list[tuple[str, str]], *wanted: Part) -> None:
    lifecycle.start_all(list(wanted), keeper, lambda name, what: said.append((name, what)))


def test_a_second_start_starts_nothing(keeper: Keeper, said: list[tuple[str, str]]):
    part = server(free_port())
    start(keeper, said, part)
    first = keeper.record("server")
    start(keeper, said, part)
    assert keeper.record("server") == first
    assert [what.split(" ")[0] for _, what in said] == ["starting", "healthy", "runs"]


def test_a_killed_part_is_started_again(keeper: Keeper, said: list[tuple[str, str]]):
    part = server(free_port())
    start(keeper, said, part)
    before = keeper.record("server")
    assert before
    os.kill(before.pid, signal.SIGKILL)
    start(keeper, said, part)
    after = keeper.record("server")
    assert after
    assert after.pid != before.pid
    assert keeper.listener("server", part.port or 0)


def test_a_part_that_dies_is_told_with_the_end_of_its_log(keeper: Keeper, said: list[tuple[str, str]]):
    part = server(free_port(), command=(sys.executable, "-c", "raise SystemExit('the disk is on fire')"))
    with pytest.raises(Terminal, match=r"server stopped while it was starting; the end of .*\nthe disk is on fire"):
        start(keeper, said, part)


def test_the_failure_of_one_part_does_not_wait_for_a_slow_one(keeper: Keeper, said: list[tuple[str, str]]):
    sleeper = (sys.executable, "-c", "import time; time.sleep(600)")
    with pytest.raises(Terminal, match=r"^bad stopped"):
        start(
            keeper,
            said,
            server(free_port(), "slow", sleeper),
            server(free_port(), "bad", (sys.executable, "-c", "raise SystemExit(1)")),
        )


def test_a_stranger_on_the_port_is_never_taken_for_the_part(keeper: Keeper, said: list[tuple[str, str]]):
    part = server(free_port())
    with subprocess.Popen(part.launch().command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as stranger:
        try:
            while not part.health(0):
                pass
            with pytest.raises(UsageError, match=f"port {part.port} of server has just been taken"):
                start(keeper, said, part)
        finally:
            stranger.kill()


def test_a_part_waits_for_what_it_needs(keeper: Keeper, said: list[tuple[str, str]]):
    furnished: list[str] = []
    first = replace(server(free_port(), "first"), furnish=lambda: furnished.append("first"))
    second = server(free_port(), "second")
    launch = second.launch

    def launch_second() -> Launch:
        assert furnished == ["first"]
        return launch()

    start(keeper, said, replace(second, needs=frozenset({"first", "left out"}), launch=launch_second), first)
    assert [name for name, _ in said] == ["first", "first", "second", "second"]


def test_an_unknown_part_is_named_with_the_known_ones(tmp_path: Path):
    with pytest.raises(UsageError, match=r"there is no part 'redis'; parts are: airflow, engines, localcloud"):
        lifecycle.up(Settings(state=tmp_path), without=frozenset({"redis"}), say=lambda *_: None)


def test_another_profile_than_local_is_not_started_here(tmp_path: Path):
    with pytest.raises(UsageError, match="profile 'cloud' is not of this machine"):
        lifecycle.up(Settings(profile="cloud", state=tmp_path), say=lambda *_: None)


def test_a_group_stands_for_its_parts():
    assert parts.expand({"airflow", "query"}) == {*parts.AIRFLOW, "query"}


def test_nothing_runs_at_first(tmp_path: Path):
    found = lifecycle.status(Settings(state=tmp_path))
    assert [part.name for part in found] == list(parts.NAMES)
    assert {part.state for part in found} == {"stopped"}
