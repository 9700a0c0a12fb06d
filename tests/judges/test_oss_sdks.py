"""OSS clients of other languages as judges of the local OSS: npm's ali-oss and the Go SDK.

Both are fetched by their own package managers, as their lock files say, the first time that the tests run.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from searchloom.settings import load
from tests.servers import LocalCloud

pytestmark = pytest.mark.slow

HERE = Path(__file__).resolve().parent
GO = shutil.which("go") or shutil.which("go", path="/usr/local/go/bin")


@pytest.fixture(scope="module")
def packages() -> Path:
    """Where fetched packages stay from one run to the next."""
    folder = load().cache / "judges"
    folder.mkdir(parents=True, exist_ok=True)
    return folder.resolve()


def run(command: list[str], cloud: LocalCloud | None = None, **more: str) -> str:
    own = {}
    if cloud is not None:
        own = {
            "ENDPOINT": cloud.endpoint,
            "KEY": cloud.access_key_id,
            "SECRET": cloud.access_key_secret,
            "REGION": cloud.region,
        }
    environment = {**os.environ, **own, **more}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=500, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_ali_oss(cloud: LocalCloud, packages: Path) -> None:
    npm = shutil.which("npm")
    assert npm, "npm is not installed; install Node.js"
    target = packages / "ali_oss"
    target.mkdir(exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copyfile(HERE / "ali_oss" / name, target / name)
    if not (target / "node_modules" / "ali-oss" / "package.json").exists():
        run([npm, "ci", "--prefix", str(target), "--no-audit", "--no-fund"])
    said = run(["node", str(HERE / "ali_oss" / "judge.mjs")], cloud, MODULES=str(target))
    assert said.split() == ["V1:", "32", "objects", "V4:", "32", "objects"]


@pytest.mark.skipif(GO is None, reason="Go is not installed")
def test_go_sdk(cloud: LocalCloud, packages: Path) -> None:
    assert GO
    binary = packages / "oss_go"
    # Beside each other in the cache, so that only the first run compiles.
    folders = {"GOCACHE": str(packages / "go-build"), "GOMODCACHE": str(packages / "go-mod"), "GOTOOLCHAIN": "local"}
    run([GO, "-C", str(HERE / "oss_go"), "build", "-modcacherw", "-o", str(binary), "."], **folders)
    assert run([str(binary)], cloud).split() == ["v1:", "29", "objects", "v4:", "29", "objects"]
