"""Clients of DashScope's calls about files, fine-tunes and deployments: the vendor's and ours."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import dashscope
import httpx
import psutil
import pytest
from pydantic import SecretStr

from localcloud.credentials import Keyring
from searchloom.cloud.bailian import Bailian
from searchloom.settings import Bailian as BailianSettings
from tests.servers import LocalCloud


def api_key(cloud: LocalCloud) -> str:
    return Keyring(cloud.access_key_id, cloud.access_key_secret).api_key


def point_vendors_package(cloud: LocalCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the vendor's package talk to the local cloud."""
    monkeypatch.setattr(dashscope, "base_http_api_url", f"{cloud.endpoint}/api/v1")
    monkeypatch.setattr(dashscope, "api_key", api_key(cloud))


@contextmanager
def our_client(cloud: LocalCloud) -> Iterator[Bailian]:
    settings = BailianSettings(url=cloud.endpoint, api_key=SecretStr(api_key(cloud)), read_timeout_s=300)
    client = Bailian(settings)
    yield client
    client.close()


def order_fault(cloud: LocalCloud, service: str, action: str, kind: str) -> None:
    fault = {"service": service, "action": action, "kind": kind}
    httpx.post(f"{cloud.endpoint}/_faults", json=fault).raise_for_status()


def write_conversations(path: Path, questions: Sequence[str], answer: str) -> Path:
    """Training data: every question gets the same answer."""
    rows = [
        {"messages": [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]}
        for question in questions
    ]
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    return path


def training_processes(job_id: str) -> list[psutil.Process]:
    """What runs of a fine-tune now, whichever local cloud began it."""
    return [
        process
        for process in psutil.process_iter(["cmdline"])
        if "localcloud.finetuning.training" in (process.info["cmdline"] or [])
        and any(part.endswith(job_id) for part in process.info["cmdline"])
    ]
