"""An Airflow of the tests' own, whose connections lead to a real local cloud."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pydantic import SecretStr

from searchloom.cloud.pai_dlc import PaiDlc
from searchloom.orchestration.connections import environment
from searchloom.settings import Acs, Oss, Pai, Settings
from tests.servers import LocalCloud, local_cloud

WORKSPACE = "12345"
BUCKET = "examples"


@pytest.fixture(scope="session")
def metadata_database() -> None:
    """Create Airflow's tables in the database of the tests' own Airflow."""
    from airflow.utils.db import initdb  # noqa: PLC0415  not before the environment is set

    initdb()


@pytest.fixture(scope="package")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCloud]:
    with local_cloud(tmp_path_factory.mktemp("cloud")) as running:
        yield running


@pytest.fixture(scope="package")
def acs(cloud: LocalCloud) -> Acs:
    secret = SecretStr(cloud.access_key_secret)
    return Acs(endpoint=cloud.endpoint, access_key_id=cloud.access_key_id, access_key_secret=secret)


@pytest.fixture(autouse=True)
def _connected(cloud: LocalCloud, acs: Acs, monkeypatch: pytest.MonkeyPatch) -> None:
    """The connections as the local stack makes them."""
    oss = Oss(
        endpoint=cloud.endpoint,
        bucket=BUCKET,
        access_key_id=cloud.access_key_id,
        access_key_secret=acs.access_key_secret,
    )
    for name, value in environment(Settings(acs=acs, oss=oss, pai=Pai(workspace_id=WORKSPACE))).items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def dlc(acs: Acs) -> PaiDlc:
    return PaiDlc(acs, workspace_id=WORKSPACE)
