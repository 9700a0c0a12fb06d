"""The recording server, settings that point at it, and retries that do not wait."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import stamina
from pydantic import SecretStr

from searchloom.settings import Acs, Bailian
from tests.cloud.recording import Recorder, recorder
from tests.servers import LocalCloud, local_cloud


@pytest.fixture(scope="session")
def _server() -> Iterator[Recorder]:
    with recorder() as running:
        yield running


@pytest.fixture
def server(_server: Recorder) -> Recorder:
    _server.will()
    return _server


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCloud]:
    """A local cloud with a state folder of its own."""
    with local_cloud(tmp_path_factory.mktemp("cloud")) as running:
        yield running


@pytest.fixture
def real_acs(cloud: LocalCloud) -> Acs:
    """Settings that point at the local cloud."""
    secret = SecretStr(cloud.access_key_secret)
    return Acs(endpoint=cloud.endpoint, access_key_id=cloud.access_key_id, access_key_secret=secret, read_timeout_s=10)


@pytest.fixture(autouse=True)
def _no_waiting() -> Iterator[None]:
    """Retries as in production, five at most, but without their waits."""
    with stamina.set_testing(True, attempts=5, cap=True):
        yield


@pytest.fixture
def acs(server: Recorder) -> Acs:
    return Acs(
        endpoint=server.url,
        access_key_id="an-access-key",
        access_key_secret=SecretStr("a-secret"),
        read_timeout_s=5,
        connect_timeout_s=2,
    )


@pytest.fixture
def bailian_settings(server: Recorder) -> Bailian:
    return Bailian(url=server.url, api_key=SecretStr("an-api-key"), workspace_id="llm-ws1", read_timeout_s=5)
