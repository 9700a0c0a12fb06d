"""``python -m localcloud.pai_dlc.runner FOLDER``: run one job's pods once, whatever happens to the local cloud.

The runner is a process of its own, so that a job outlives a local cloud that is killed. It reads ``run.json`` in the
job's folder, holds ``lock`` as long as it lives, writes ``started.json`` when it begins and ``result.json`` when the
pods have ended; ``stop`` asks it to end them. A job whose ``started.json`` is there is never started again.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from localcloud.line_logs import copy_lines
from localcloud.timestamps import now_ms

GRACE_S = 5.0
_POLL_S = 0.1
# Longer than it takes to read what a dead process left in its pipe.
_LOG_END_S = 2.0


@dataclass(frozen=True, slots=True)
class _Pod:
    name: str
    process: subprocess.Popen[bytes]
    log: threading.Thread


def main(folder: Path) -> int:
    """Run the job of ``folder`` if no runner did before; returns 0."""
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if (folder / "started.json").exists():
            return 0
        stop = threading.Event()
        signal.signal(signal.SIGTERM, lambda *_: stop.set())
        write_json(folder / "started.json", {"pid": os.getpid(), "time_ms": now_ms()})
        run = json.loads((folder / "run.json").read_bytes())
        pods: list[_Pod] = []
        try:
            if not (folder / "stop").exists():
                pods.extend(_start(folder, plan) for plan in run["pods"])
            outcome = _wait(folder, pods, stop, run["max_running_s"])
        except OSError as error:
            outcome = ("Failed", "PodStartFailed", f"A pod could not be started: {error}.")
        _end(pods)
        status, code, message = outcome
        exit_codes = {pod.name: pod.process.returncode for pod in pods}
        result = {"status": status, "code": code, "message": message, "time_ms": now_ms(), "exit_codes": exit_codes}
        write_json(folder / "result.json", result)
    return 0


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write a file that is whole whenever it is there."""
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps(content))
    fresh.replace(path)


def _start(folder: Path, plan: dict[str, Any]) -> _Pod:
    process = subprocess.Popen(
        ["bash", "-c", plan["command"]],
        cwd=plan["cwd"],
        env=plan["env"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    log = threading.Thread(target=copy_lines, args=(process.stdout, folder / f"{plan['name']}.log"), daemon=True)
    log.start()
    return _Pod(plan["name"], process, log)


def _wait(folder: Path, pods: list[_Pod], stop: threading.Event, max_running_s: float | None) -> tuple[str, str, str]:
    deadline = time.monotonic() + max_running_s if max_running_s else None
    while True:
        codes = {pod.name: pod.process.poll() for pod in pods}
        for name, code in codes.items():
            if code:
                how = f"exited with code {code}" if code > 0 else f"was killed by signal {-code}"
                return "Failed", "PodFailed", f"Pod {name} {how}."
        if codes and all(code == 0 for code in codes.values()):
            return "Succeeded", "", ""
        if stop.wait(_POLL_S) or (folder / "stop").exists():
            return "Stopped", "StoppedByUser", "The job was stopped."
        if deadline is not None and time.monotonic() > deadline:
            return "Failed", "JobMaxRunningTimeExceeded", f"The job ran longer than {max_running_s:.0f} s."


def _end(pods: list[_Pod]) -> None:
    enders = [threading.Thread(target=_end_pod, args=(pod,)) for pod in pods]
    for thread in enders:
        thread.start()
    for thread in enders:
        thread.join()


def _end_pod(pod: _Pod) -> None:
    deadline = time.monotonic() + GRACE_S
    with suppress(ProcessLookupError):
        os.killpg(pod.process.pid, signal.SIGTERM)
        while pod.process.poll() is None and time.monotonic() < deadline:
            time.sleep(_POLL_S)
        os.killpg(pod.process.pid, signal.SIGKILL)
    pod.process.wait()
    pod.log.join(_LOG_END_S)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
