"""``python -m searchloom.inference`` with the real base model."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import numpy as np
import pytest

from searchloom.cloud.oss import Oss
from searchloom.release.wire import EMBED_PATH as PATH
from searchloom.settings import Oss as OssSettings
from tests.query.conftest import wait_for
from tests.servers import free_port, local_cloud


@pytest.mark.slow
def test_the_base_model_serves_as_one_process_and_stops(tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    with local_cloud(tmp_path / "cloud") as cloud:
        oss = OssSettings(
            endpoint=cloud.endpoint, access_key_id=cloud.access_key_id, access_key_secret=cloud.access_key_secret
        )
        Oss(oss).ensure_bucket()
        environment = os.environ | {
            "SEARCHLOOM_STATE": str(tmp_path / "state"),
            "SEARCHLOOM_OSS__ENDPOINT": oss.endpoint,
            "SEARCHLOOM_OSS__ACCESS_KEY_ID": oss.access_key_id,
            "SEARCHLOOM_OSS__ACCESS_KEY_SECRET": oss.access_key_secret.get_secret_value(),
            "SEARCHLOOM_EMBEDDING__URL": url,
            "SEARCHLOOM_EMBEDDING__TOKEN": "secret",
            "SEARCHLOOM_EMBEDDING__THREADS": "1",
        }
        process = subprocess.Popen([sys.executable, "-m", "searchloom.inference"], env=environment)
        try:
            wait_for(lambda: httpx.get(f"{url}/health", timeout=5.0).is_success, process, seconds=300)
            with httpx.Client(base_url=url, headers={"Authorization": "Bearer secret"}, timeout=60.0) as client:
                _check_answers(client)
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=20) == 0
        finally:
            process.kill()
            process.wait()


def _check_answers(client: httpx.Client) -> None:
    texts = ["how to merge two tables", "join dataframes on a key column", "the weather in spring"]
    answer = client.post(PATH, json={"texts": texts}).json()
    vectors = np.array(answer["embeddings"])
    assert answer["version"] == client.get("/health").json()["version"]
    assert vectors.shape == (3, answer["dims"])
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-4)
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2] + 0.2
    assert client.post(PATH, json={"texts": ["x"], "version": "own-1"}).status_code == 404
