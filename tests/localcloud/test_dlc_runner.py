"""The process that runs a job, without the local cloud around it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any


def run(folder: Path, *commands: str, max_running_s: float | None = None) -> subprocess.Popen[bytes]:
    pods = [
        {"name": f"pod-{number}", "command": command, "cwd": str(folder), "env": {"PATH": os.environ["PATH"]}}
        for number, command in enumerate(commands)
    ]
    (folder / "run.json").write_text(json.dumps({"pods": pods, "max_running_s": max_running_s}))
    return subprocess.Popen([sys.executable, "-m", "localcloud.pai_dlc.runner", str(folder)])


def result(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "result.json").read_bytes())
    return content


def test_a_job_is_never_run_twice(tmp_path: Path) -> None:
    runners = [run(tmp_path, "echo ran >> trace; sleep 0.5") for _ in range(3)]
    assert [runner.wait(timeout=30) for runner in runners] == [0, 0, 0]
    assert (tmp_path / "trace").read_text() == "ran\n"
    assert (result(tmp_path)["status"], result(tmp_path)["exit_codes"]) == ("Succeeded", {"pod-0": 0})


def test_a_job_that_runs_too_long_is_ended(tmp_path: Path) -> None:
    assert run(tmp_path, "sleep 60", "sleep 60", max_running_s=0.5).wait(timeout=30) == 0
    assert (result(tmp_path)["status"], result(tmp_path)["code"]) == ("Failed", "JobMaxRunningTimeExceeded")


def test_one_pod_that_fails_ends_the_others(tmp_path: Path) -> None:
    assert run(tmp_path, "sleep 60", "kill -9 $$").wait(timeout=30) == 0
    assert (result(tmp_path)["status"], result(tmp_path)["code"]) == ("Failed", "PodFailed")
    assert result(tmp_path)["message"] == "Pod pod-1 was killed by signal 9."


def test_a_job_that_was_stopped_before_it_began_runs_nothing(tmp_path: Path) -> None:
    (tmp_path / "stop").touch()
    assert run(tmp_path, "touch trace").wait(timeout=30) == 0
    assert result(tmp_path)["status"] == "Stopped"
    assert not (tmp_path / "trace").exists()
