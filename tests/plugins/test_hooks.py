from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from alibaba_ai.hooks.oss import OssHook
from search_engines.hooks.elasticsearch import ElasticsearchLoaderHook
from search_engines.hooks.opensearch import OpenSearchLoaderHook
from searchloom.errors import UsageError
from searchloom.orchestration.connections import environment
from searchloom.settings import Engine, Oss, Settings
from tests.servers import LocalCloud, local_cloud


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCloud]:
    with local_cloud(tmp_path_factory.mktemp("cloud")) as server:
        yield server


def connect(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    for name, value in environment(settings).items():
        monkeypatch.setenv(name, value)


def settings_of(cloud: LocalCloud, secret: str | None = None) -> Settings:
    return Settings(
        oss=Oss(
            endpoint=cloud.endpoint,
            region=cloud.region,
            bucket="hooks",
            access_key_id=cloud.access_key_id,
            access_key_secret=SecretStr(secret or cloud.access_key_secret),
        )
    )


def test_the_oss_hook_reads_and_writes_the_bucket_of_its_connection(
    cloud: LocalCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect(monkeypatch, settings_of(cloud))
    oss = OssHook().get_conn()
    oss.ensure_bucket()
    oss.put("raw/a.txt", b"text")
    assert oss.get("raw/a.txt") == b"text"
    assert OssHook().test_connection() == (True, f"bucket 'hooks' at {cloud.endpoint} answers")


def test_the_test_button_says_in_a_sentence_what_is_wrong(cloud: LocalCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    connect(monkeypatch, settings_of(cloud, secret="wrong"))
    ok, sentence = OssHook().test_connection()
    assert not ok
    assert "SignatureDoesNotMatch" in sentence
    assert "wrong" not in sentence


def test_a_connection_without_a_bucket_is_refused_with_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_ALIBABA_OSS", '{"conn_type": "alibaba_oss", "host": "http://h", "login": "id"}')
    with pytest.raises(UsageError, match="'alibaba_oss' has no Bucket"):
        OssHook().get_conn()


def test_the_engine_hooks_connect_to_where_their_connections_point(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    certificates = tmp_path / "ca.pem"
    settings = Settings(
        opensearch=Engine(url="http://127.0.0.1:9" + "321"),
        elasticsearch=Engine(url="http://127.0.0.1:9" + "322", username="u", password=SecretStr("p")),
    )
    assert not certificates.exists()
    connect(monkeypatch, settings)
    for hook, name in ((OpenSearchLoaderHook(), "opensearch"), (ElasticsearchLoaderHook(), "elasticsearch")):
        loader = hook.get_conn()
        assert loader.name == name
        loader.close()
