from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from pydantic import SecretStr

from searchloom.cloud.oss import Oss
from searchloom.corpus.chunk import Chunker
from searchloom.settings import Chunking, Settings
from searchloom.settings import Oss as OssSettings
from tests.corpus.runs import TOKENIZER, Runs
from tests.servers import local_cloud


@pytest.fixture(scope="session")
def cloud_settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    with local_cloud(tmp_path_factory.mktemp("cloud")) as cloud:
        yield Settings(
            oss=OssSettings(
                endpoint=cloud.endpoint,
                access_key_id=cloud.access_key_id,
                access_key_secret=SecretStr(cloud.access_key_secret),
            ),
            cache=tmp_path_factory.mktemp("cache"),
            chunking=Chunking(max_file_bytes=1_000_000),
        )


@pytest.fixture(scope="session")
def oss(cloud_settings: Settings) -> Oss:
    client = Oss(cloud_settings.oss)
    client.ensure_bucket()
    return client


@pytest.fixture
def runs(oss: Oss, cloud_settings: Settings) -> Runs:
    return Runs(oss, f"c{uuid4().hex[:8]}", cloud_settings)


@pytest.fixture(scope="session")
def chunker() -> Chunker:
    return Chunker(TOKENIZER, max_tokens=64, overlap_tokens=8)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path
