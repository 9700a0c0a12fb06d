"""A large object up and down through our client, beside oss2's own resumable calls with their defaults.

    .venv/bin/python -m benchmarks.oss [MEGABYTES]

Each transfer is a process of its own, so that its peak of memory is its own, against one local cloud, in turn.
Megabytes a second of wall time, peaks of resident memory in megabytes; written to ``benchmarks/results/oss.json``.
"""

from __future__ import annotations

import json
import os
import resource
import secrets
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import oss2
import psutil
from pydantic import SecretStr
from tests.servers import LocalCloud, local_cloud

from searchloom.cloud.oss import Oss
from searchloom.settings import Oss as OssSettings

RESULTS = Path(__file__).parent / "results" / "oss.json"
BUCKET = "benchmark"
MB = 1_000_000


def ours(settings: OssSettings, way: str, file: Path) -> None:
    """Our client."""
    oss = Oss(settings)
    if way == "up":
        oss.upload(file, "ours")
    else:
        oss.download("ours", file)


def peer(settings: OssSettings, way: str, file: Path) -> None:
    """The vendor's resumable calls, as its documentation shows them."""
    provider = oss2.credentials.StaticCredentialsProvider(
        settings.access_key_id, settings.access_key_secret.get_secret_value()
    )
    bucket = oss2.Bucket(oss2.ProviderAuthV4(provider), settings.endpoint, BUCKET, region=settings.region)
    store = tempfile.mkdtemp()
    if way == "up":
        oss2.resumable_upload(bucket, "peer", str(file), store=oss2.ResumableStore(root=store))
    else:
        oss2.resumable_download(bucket, "peer", str(file), store=oss2.ResumableDownloadStore(root=store))


def transfer(who: str, way: str, file: Path) -> None:
    """One transfer, in this process; prints its seconds and its peak of memory."""
    settings = OssSettings(
        endpoint=os.environ["ENDPOINT"],
        bucket=BUCKET,
        access_key_id=os.environ["KEY"],
        access_key_secret=SecretStr(os.environ["SECRET"]),
    )
    started = time.perf_counter()
    (ours if who == "ours" else peer)(settings, way, file)
    seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / MB
    print(json.dumps({"seconds": seconds, "peak_mb": round(peak)}))


def measured(cloud: LocalCloud, who: str, way: str, file: Path, size: int) -> dict[str, float]:
    """One transfer, in a process of its own."""
    environment = {"ENDPOINT": cloud.endpoint, "KEY": cloud.access_key_id, "SECRET": cloud.access_key_secret}
    command = [sys.executable, "-m", "benchmarks.oss", who, way, str(file)]
    done = subprocess.run(command, env={**os.environ, **environment}, check=True, capture_output=True, text=True)
    said = json.loads(done.stdout.splitlines()[-1])
    return {"mb_per_s": round(size / MB / said["seconds"], 1), "peak_mb": said["peak_mb"]}


def peak_of(pid: int) -> int:
    """The most resident memory that a process ever had, in megabytes (Linux)."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    kilobytes = next(line.split()[1] for line in lines if line.startswith("VmHWM"))
    return round(int(kilobytes) * 1024 / MB)


def main() -> None:
    """Measure, print, write."""
    size = int(sys.argv[1]) * MB if len(sys.argv) > 1 else 1000 * MB
    with tempfile.TemporaryDirectory() as folder, local_cloud(Path(folder) / "cloud") as cloud:
        source = Path(folder) / "source"
        with source.open("wb") as file:
            for _ in range(size // MB):
                file.write(secrets.token_bytes(MB))
        settings = OssSettings(
            endpoint=cloud.endpoint,
            bucket=BUCKET,
            access_key_id=cloud.access_key_id,
            access_key_secret=SecretStr(cloud.access_key_secret),
        )
        Oss(settings).ensure_bucket()
        result: dict[str, object] = {"megabytes": size // MB}
        for way in ("up", "down"):
            for who in ("ours", "peer"):
                target = source if way == "up" else Path(folder) / f"{who}-down"
                result[f"{who}_{way}"] = measured(cloud, who, way, target, size)
                if way == "down":
                    target.unlink()
        result["server_peak_mb"] = peak_of(cloud.pid)
        result["load_average"] = round(psutil.getloadavg()[0], 1)
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    if len(sys.argv) == 4:
        transfer(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
    else:
        main()
