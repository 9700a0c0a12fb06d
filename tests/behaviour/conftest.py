from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
from alibabacloud_airec20201126.client import Client
from pydantic import SecretStr

from searchloom.cloud.airec import Airec
from searchloom.cloud.oss import Oss
from searchloom.settings import Acs, Settings
from searchloom.settings import Airec as AirecSettings
from searchloom.settings import Oss as OssSettings
from tests.behaviour.world import World
from tests.corpus.runs import Runs
from tests.localcloud.acs_clients import config
from tests.servers import LocalCloud, local_cloud


@pytest.fixture(scope="package")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cloud")


@pytest.fixture(scope="package")
def cloud(state: Path) -> Iterator[LocalCloud]:
    with local_cloud(state) as running:
        yield running


@pytest.fixture(scope="package")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def client(cloud: LocalCloud) -> Client:
    """The vendor's own client."""
    return Client(config(cloud))


@pytest.fixture
def world(cloud: LocalCloud, client: Client, state: Path, cache: Path) -> World:
    """A bucket and an instance of its own."""
    instance = str(client.create_instance().body.result.instance_id)
    client.run_instance(instance)
    secret = SecretStr(cloud.access_key_secret)
    settings = Settings(
        oss=OssSettings(
            endpoint=cloud.endpoint,
            bucket=f"b{secrets.token_hex(6)}",
            access_key_id=cloud.access_key_id,
            access_key_secret=secret,
        ),
        acs=Acs(endpoint=cloud.endpoint, access_key_id=cloud.access_key_id, access_key_secret=secret),
        airec=AirecSettings(instance_id=instance),
        cache=cache,
    )
    oss = Oss(settings.oss)
    oss.ensure_bucket()
    runs = Runs(oss, f"c{secrets.token_hex(4)}", settings)
    return World(settings, oss, runs, Airec(settings.acs, settings.airec), state)
