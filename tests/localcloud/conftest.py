"""One local cloud for the whole run, and clients of it."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import alibabacloud_oss_v2 as oss_v2
import oss2
import pytest
from oss2.credentials import StaticCredentialsProvider

from tests.servers import LocalCloud, local_cloud


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCloud]:
    """A local cloud in a temporary folder."""
    state: Path = tmp_path_factory.mktemp("localcloud")
    with local_cloud(state) as running:
        yield running


def bucket_of(cloud: LocalCloud, name: str, version: str = "v4") -> oss2.Bucket:
    """An oss2 client that signs with V1, V2 or V4."""
    provider = StaticCredentialsProvider(cloud.access_key_id, cloud.access_key_secret)
    if version == "v1":
        return oss2.Bucket(oss2.ProviderAuth(provider), cloud.endpoint, name)
    if version == "v2":
        return oss2.Bucket(oss2.ProviderAuthV2(provider), cloud.endpoint, name)
    return oss2.Bucket(oss2.ProviderAuthV4(provider), cloud.endpoint, name, region=cloud.region)


@pytest.fixture(scope="session", params=["v1", "v2", "v4"])
def any_bucket(request: pytest.FixtureRequest, cloud: LocalCloud) -> oss2.Bucket:
    """A bucket of its own for each signature version."""
    bucket = bucket_of(cloud, f"test-{secrets.token_hex(6)}", request.param)
    bucket.create_bucket()
    return bucket


@pytest.fixture
def bucket(cloud: LocalCloud) -> oss2.Bucket:
    """An empty bucket, signed with V4."""
    fresh = bucket_of(cloud, f"test-{secrets.token_hex(6)}")
    fresh.create_bucket()
    return fresh


def client_of(cloud: LocalCloud, **options: object) -> oss_v2.Client:
    """The client that the Airflow provider of Alibaba Cloud uses."""
    config = oss_v2.config.load_default()
    config.credentials_provider = oss_v2.credentials.StaticCredentialsProvider(
        cloud.access_key_id, cloud.access_key_secret
    )
    config.region, config.endpoint = cloud.region, cloud.endpoint
    for name, value in options.items():
        setattr(config, name, value)
    return oss_v2.Client(config)


@pytest.fixture
def v2_client(cloud: LocalCloud) -> oss_v2.Client:
    return client_of(cloud)
