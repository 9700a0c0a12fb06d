"""Both real engines, and an empty index generation in each, for every test of this folder."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest
from pydantic import SecretStr

from searchloom.cloud.oss import Oss
from searchloom.engines.connect import loader as connect
from searchloom.engines.interface import GenerationMeta, Loader
from searchloom.settings import ENGINES, Engine, EngineName, Settings
from searchloom.settings import Oss as OssSettings
from tests.engines.chunks import DIMS
from tests.servers import local_cloud


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> EngineName:
    """Each engine in turn."""
    name: EngineName = request.param
    return name


@pytest.fixture
def engine_settings(settings: Settings, engine: EngineName) -> Engine:
    """Where the engine answers."""
    return settings.engine(engine)


@pytest.fixture
def loader(settings: Settings, engine: EngineName) -> Iterator[Loader]:
    """The writing side of the engine."""
    connected = connect(settings, engine)
    yield connected
    connected.close()


@pytest.fixture
def generation(loader: Loader) -> Iterator[str]:
    """Name of an empty index of 4 dimensions, deleted after the test."""
    name = f"hd-{uuid.uuid4().hex[:8]}"
    loader.create(name, GenerationMeta("tests", "model-1", DIMS))
    yield name
    loader.drop(name)


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
