"""An Airflow of the tests' own, whose connections lead to a real local cloud."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pydantic import SecretStr

from localcloud.credentials import Keyring
from searchloom.cloud.oss import Oss as OssClient
from searchloom.cloud.pai_dlc import PaiDlc
from searchloom.orchestration.connections import environment
from searchloom.settings import Acs, Airec, Bailian, Oss, Pai, Settings
from tests.servers import LocalCloud, local_cloud

WORKSPACE = "12345"
BUCKET = "examples"
INSTANCE = "airec-cn-local"


@pytest.fixture(scope="package")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCloud]:
    with local_cloud(tmp_path_factory.mktemp("cloud")) as running:
        yield running


@pytest.fixture(scope="package")
def acs(cloud: LocalCloud) -> Acs:
    secret = SecretStr(cloud.access_key_secret)
    return Acs(endpoint=cloud.endpoint, access_key_id=cloud.access_key_id, access_key_secret=secret)


@pytest.fixture(scope="package")
def connected(cloud: LocalCloud, acs: Acs) -> Settings:
    """Settings that lead every service of the cloud to the local one."""
    key = Keyring(cloud.access_key_id, cloud.access_key_secret).api_key
    return Settings(
        acs=acs,
        oss=Oss(
            endpoint=cloud.endpoint,
            bucket=BUCKET,
            access_key_id=cloud.access_key_id,
            access_key_secret=acs.access_key_secret,
        ),
        pai=Pai(workspace_id=WORKSPACE),
        airec=Airec(instance_id=INSTANCE),
        bailian=Bailian(url=cloud.endpoint, api_key=SecretStr(key), workspace_id="llm-local"),
    )


@pytest.fixture(autouse=True)
def _connected(connected: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """The connections as the local stack makes them."""
    for name, value in environment(connected).items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def dlc(acs: Acs) -> PaiDlc:
    return PaiDlc(acs, workspace_id=WORKSPACE)


@pytest.fixture
def oss(connected: Settings) -> OssClient:
    """The bucket of the connection ``alibaba_oss``."""
    bucket = OssClient(connected.oss)
    bucket.ensure_bucket()
    return bucket
