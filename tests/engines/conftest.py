"""Both real engines, and an empty index generation in each, for every test of this folder."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from searchloom.engines.connect import loader as connect
from searchloom.engines.interface import GenerationMeta, Loader
from searchloom.settings import ENGINES, Engine, EngineName, Settings
from tests.engines.chunks import DIMS


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
