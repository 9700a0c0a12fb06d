"""What every test may use: the real engines and a real object store, each started once a session."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from typing import Any

# Before any settings are read: tests see neither the local stack of this checkout nor the caller's settings.
for name in [name for name in os.environ if name.startswith("SEARCHLOOM_") and name != "SEARCHLOOM_CACHE"]:
    del os.environ[name]
os.environ["SEARCHLOOM_STATE"] = tempfile.mkdtemp(prefix="searchloom-state-")
atexit.register(shutil.rmtree, os.environ["SEARCHLOOM_STATE"], ignore_errors=True)

import pytest
from pydantic import SecretStr
from xdist.scheduler import LoadScopeScheduling

from searchloom.cloud.oss import Oss
from searchloom.settings import Engine, EngineName, Settings
from searchloom.settings import Oss as OssSettings
from tests.engine_servers import EngineServers, engines
from tests.servers import local_cloud


class ByFolder(LoadScopeScheduling):
    """Keep the tests of a folder in one process: what they share (an Airflow, models) is then started once."""

    # xdist's own way, marks and `--dist loadgroup`, writes into an item's id, which pytest 9.2 no longer reads.
    def _split_scope(self, nodeid: str) -> str:
        return nodeid.partition("::")[0].rpartition("/")[0]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByFolder:
    """Deal the tests out by folders, where there are several processes."""
    return ByFolder(config, log)


@pytest.fixture(scope="session")
def engine_servers() -> Iterator[EngineServers]:
    """The two real engines."""
    with engines() as servers:
        yield servers


@pytest.fixture(scope="session")
def engine_urls(engine_servers: EngineServers) -> dict[EngineName, str]:
    """Where the two real engines answer."""
    return engine_servers.urls


@pytest.fixture(scope="session")
def settings(engine_urls: dict[EngineName, str]) -> Settings:
    """Settings that name the two real engines."""
    return Settings(
        opensearch=Engine(url=engine_urls["opensearch"]), elasticsearch=Engine(url=engine_urls["elasticsearch"])
    )


@pytest.fixture(scope="session")
def store_settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OssSettings]:
    """Settings of a local object store that runs for the whole session."""
    with local_cloud(tmp_path_factory.mktemp("cloud")) as cloud:
        yield OssSettings(
            endpoint=cloud.endpoint,
            region=cloud.region,
            access_key_id=cloud.access_key_id,
            access_key_secret=SecretStr(cloud.access_key_secret),
        )


@pytest.fixture
def oss(store_settings: OssSettings) -> Oss:
    """An empty bucket of its own."""
    bucket = Oss(store_settings.model_copy(update={"bucket": f"tests-{uuid.uuid4().hex[:8]}"}))
    bucket.ensure_bucket()
    return bucket
