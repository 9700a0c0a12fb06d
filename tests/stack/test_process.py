"""Processes of a part: all found, all stopped, never mistaken for somebody else's."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from searchloom.errors import Terminal
from searchloom.stack.part import Launch
from searchloom.stack.process import Keeper

SLEEP = "import time; time.sleep(600)"
FAMILY = (
    "import subprocess, sys, time\n"
    f"subprocess.Popen([sys.executable, '-c', {SLEEP!r}])\n"
    f"subprocess.Popen([sys.executable, '-c', {SLEEP!r}], start_new_session=True)\n"
    "time.sleep(600)\n"
)
STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)"
)


def program(code: str) -> Launch:
    return Launch((sys.executable, "-c", code), dict(os.environ), Path.cwd())


@pytest.fixture
def keeper(tmp_path: Path):
    keeper = Keeper(tmp_path)
    yield keeper
    for name in keeper.known():
        keeper.stop(name, grace=0)


def wait_for_members(keeper: Keeper, count: int) -> list[psutil.Process]:
    deadline = time.monotonic() + 20
    while len(found := keeper.members("part")) != count:
        assert time.monotonic() < deadline, f"{len(found)} processes instead of {count}"
        time.sleep(0.05)
    return found


def test_stopping_takes_children_along_even_those_in_a_session_of_their_own(keeper: Keeper):
    keeper.start("part", program(FAMILY))
    members = wait_for_members(keeper, 3)
    assert keeper.stop("part", grace=10) == 3
    assert not any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in members)
    assert keeper.known() == []


def test_children_of_a_killed_leader_are_still_found(keeper: Keeper):
    record = keeper.start("part", program(FAMILY))
    wait_for_members(keeper, 3)
    os.kill(record.pid, signal.SIGKILL)
    assert len(wait_for_members(keeper, 2)) == 2
    assert keeper.leader("part") is None
    assert keeper.stop("part", grace=10) == 2


def test_what_ignores_sigterm_is_killed(keeper: Keeper):
    keeper.start("part", program(STUBBORN))
    while "deaf" not in keeper.tail("part"):
        time.sleep(0.05)
    keeper.stop("part", grace=0.5)
    assert keeper.members("part") == []


def test_a_recycled_pid_is_never_mistaken_nor_stopped(keeper: Keeper, tmp_path: Path):
    stranger = subprocess.Popen([sys.executable, "-c", SLEEP], start_new_session=True)
    try:
        (tmp_path / "run").mkdir()
        started = psutil.Process(stranger.pid).create_time() - 3600
        (tmp_path / "run" / "part.json").write_text(json.dumps({"pid": stranger.pid, "started": started}))
        assert keeper.leader("part") is None
        assert keeper.stop("part", grace=0) == 0
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_a_damaged_record_counts_as_not_started(keeper: Keeper, tmp_path: Path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "part.json").write_text("{")
    assert keeper.leader("part") is None


def test_a_program_that_does_not_exist_is_named(keeper: Keeper):
    with pytest.raises(Terminal, match=r"cannot start part \(/no/such/program\): No such file"):
        keeper.start("part", Launch(("/no/such/program",), {}, Path.cwd()))


def test_the_log_of_the_start_before_is_kept(keeper: Keeper):
    for word in ("first", "second"):
        keeper.start("part", program(f"print({word!r}, flush=True); {SLEEP}"))
        while word not in keeper.tail("part"):
            time.sleep(0.05)
        keeper.stop("part", grace=5)
    assert keeper.log("part").with_suffix(".log.1").read_text() == "first\n"
