"""A small corpus, loaded into both engines and released, and the query service over it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.testclient import TestClient

from localcloud.credentials import Keyring
from searchloom.cloud.oss import Oss
from searchloom.engines.connect import loader
from searchloom.engines.interface import GenerationMeta
from searchloom.query import tokens
from searchloom.query.app import create_app
from searchloom.release.document import EmbeddingModel, Fusion, Release, current_key, release_key
from searchloom.settings import ENGINES, Acs, Airec, Bailian, Embedding, Query, Settings
from searchloom.settings import Oss as OssSettings
from tests.query import collection
from tests.query.tiny_embedding import DIMS, TOKEN, VERSION
from tests.servers import free_port, local_cloud

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Service:
    """A running embedding service."""

    url: str
    pid: int

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        os.kill(self.pid, number)


@contextmanager
def model_service(*model: str) -> Iterator[Service]:
    """The real service with a tiny model (version and dimensions; the first one if left out), in its own process."""
    port = free_port()
    command = [sys.executable, "-m", "tests.query.tiny_embedding", str(port), *model]
    process = subprocess.Popen(command, cwd=ROOT)
    url = f"http://127.0.0.1:{port}"
    try:
        wait_for(lambda: httpx.get(f"{url}/health", timeout=1.0).is_success, process)
        yield Service(url, process.pid)
    finally:
        process.kill()
        process.wait()


def wait_for(answers: Callable[[], bool], process: subprocess.Popen[Any] | None = None, seconds: float = 60.0) -> None:
    """Wait until a server answers; fail when its process has ended, or after ``seconds``."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        assert process is None or process.poll() is None, "the server has ended"
        try:
            if answers():
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.05)
    pytest.fail(f"no answer within {seconds} s")


@pytest.fixture(scope="session")
def embedding() -> Iterator[Service]:
    """The embedding service that nobody stops."""
    with model_service() as service:
        yield service


@pytest.fixture(scope="session")
def served(settings: Settings, embedding: Service, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Settings under which the collection is loaded in both engines and released."""
    index = f"hq-{uuid.uuid4().hex[:8]}"
    state = tmp_path_factory.mktemp("query-state")
    with local_cloud(tmp_path_factory.mktemp("query-cloud")) as cloud:
        secret = cloud.access_key_secret
        own = settings.model_copy(
            update={
                "state": state,
                "profile": "local",
                "embedding": Embedding(url=embedding.url, token=TOKEN),
                "query": Query(
                    url="http://127.0.0.1:9630",
                    demo_token=True,
                    deadline_ms=10_000,
                    embedding_ms=5_000,
                    pseudonym_key="tests",
                ),
                "bailian": Bailian(url=cloud.endpoint, api_key=Keyring(cloud.access_key_id, secret).api_key),
                "acs": Acs(endpoint=cloud.endpoint, access_key_id=cloud.access_key_id, access_key_secret=secret),
                "airec": Airec(instance_id="airec-cn-local"),
                "oss": OssSettings(
                    endpoint=cloud.endpoint,
                    region=cloud.region,
                    access_key_id=cloud.access_key_id,
                    access_key_secret=cloud.access_key_secret,
                ),
            }
        )
        load(own, index)
        publish(own, index)
        yield own
        for name in ENGINES:
            side = loader(own, name)
            side.drop(index)
            side.close()


def load(settings: Settings, index: str) -> None:
    """Create the generation and write the collection, in both engines."""
    for name in ENGINES:
        side = loader(settings, name)
        side.create(index, GenerationMeta(collection.CORPUS, VERSION, DIMS))
        assert {outcome.status for outcome in side.write(index, collection.writes())} == {"written"}
        side.refresh(index)
        side.close()


def publish(settings: Settings, index: str, *, number: int = 1, corpus: str = collection.CORPUS, **fields: Any) -> None:
    """Write a release and point at it."""
    oss = Oss(settings.oss)
    oss.ensure_bucket()
    facts: dict[str, Any] = {
        "embedding": EmbeddingModel(version=VERSION, dims=DIMS),
        "generation": dict.fromkeys(ENGINES, index),
        "fusion": Fusion(vector_weight_by_language={"zh": 0.2}),
    }
    release = Release(
        corpus=corpus, number=number, created=datetime(2026, 1, 1, tzinfo=UTC), created_by="tests", **(facts | fields)
    )
    oss.put(release_key(corpus, number), release.model_dump_json().encode())
    oss.put_json(current_key(corpus), {"release": number})


def live_index(settings: Settings) -> str:
    """Index that the collection's release names."""
    release = Release.model_validate_json(Oss(settings.oss).get(release_key(collection.CORPUS, 1)))
    return release.generation["opensearch"]


@contextmanager
def running(settings: Settings) -> Iterator[TestClient]:
    """The app, with everything connected and its releases read."""
    with TestClient(create_app(settings), raise_server_exceptions=False) as client:
        client.headers["Authorization"] = f"Bearer {tokens.sign(settings, user='tester')}"
        wait_for(lambda: client.get("/readyz").json()["releases"] is not None)
        yield client


@pytest.fixture(scope="session")
def client(served: Settings) -> Iterator[TestClient]:
    """The app over the collection, as user ``tester`` of tenant ``default``."""
    with running(served) as connected:
        yield connected


@pytest.fixture
def bearer(served: Settings) -> Callable[..., dict[str, str]]:
    """Headers of another caller."""

    def headers(tenant: str = "default", *groups: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {tokens.sign(served, user='tester', tenant=tenant, groups=groups)}"}

    return headers
