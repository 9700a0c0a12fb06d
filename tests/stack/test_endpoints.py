"""What `up` writes down: private, stable, and read back by the settings."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from pydantic import SecretStr

from searchloom import settings as settings_module
from searchloom.errors import UsageError
from searchloom.stack import endpoints, ports, services


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SEARCHLOOM_STATE", str(tmp_path / "state"))
    monkeypatch.delenv("SEARCHLOOM_PROFILE", raising=False)
    settings_module.load.cache_clear()
    yield tmp_path / "state"
    monkeypatch.undo()
    settings_module.load.cache_clear()


def settle(wanted: set[str] | None = None, running: frozenset[str] = frozenset()) -> settings_module.Settings:
    return endpoints.settle(settings_module.load(), wanted or set(endpoints.OWNERS), running.__contains__)


def test_only_the_owner_can_read_the_secrets(state: Path):
    settle()
    assert [(state / name).stat().st_mode & 0o777 for name in ("endpoints.yaml", "memory.yaml")] == [0o600, 0o600]


@pytest.mark.usefixtures("state")
def test_settings_read_what_was_written():
    written = settle()
    assert written.oss.access_key_id.startswith("LTAI")
    assert written == settings_module.load() == settings_module.Settings(profile="local")


@pytest.mark.usefixtures("state")
def test_pai_is_the_local_cloud_unless_it_is_somebody_elses(monkeypatch: pytest.MonkeyPatch):
    written = settle()
    assert written.acs.endpoint == written.oss.endpoint
    assert written.acs.access_key_id == written.oss.access_key_id
    assert written.pai.workspace_id
    assert written.airec.instance_id == "airec-cn-local"
    monkeypatch.setenv("SEARCHLOOM_ACS__ENDPOINT", "https://pai.example.com")
    assert settle().acs.access_key_id == ""


@pytest.mark.usefixtures("state")
def test_bailian_is_the_local_cloud_unless_it_is_somebody_elses(monkeypatch: pytest.MonkeyPatch):
    written = settle()
    key = written.bailian.api_key.get_secret_value()
    assert written.bailian.url == written.oss.endpoint
    assert services.localcloud(written).launch().environment["LOCALCLOUD_API_KEY"] == key != ""
    monkeypatch.setenv("SEARCHLOOM_BAILIAN__URL", "https://dashscope.aliyuncs.com")
    assert settle().bailian.api_key.get_secret_value() == ""


def test_the_cloud_profile_names_the_cloud_and_no_secret(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SEARCHLOOM_PROFILE", "cloud")
    settings_module.load.cache_clear()
    settings = settings_module.load()
    settings_module.load.cache_clear()
    assert (settings.acs.endpoint, settings.bailian.url) == ("", "https://dashscope.aliyuncs.com")
    assert not settings.query.demo_token
    for group in (settings.oss, settings.acs, settings.bailian, settings.embedding, settings.opensearch):
        secrets = [value for _, value in group if isinstance(value, SecretStr)]
        assert not any(secret.get_secret_value() for secret in secrets)


@pytest.mark.usefixtures("state")
def test_a_second_start_changes_neither_ports_nor_secrets():
    first = settle()
    assert settle() == first


@pytest.mark.usefixtures("state")
def test_a_busy_default_port_is_moved_to_a_free_one_and_remembered():
    with socket.socket() as stranger:
        stranger.bind(("127.0.0.1", ports.find_free(9610)))
        stranger.listen(1)
        moved = settle().oss.endpoint
        assert not moved.endswith(f":{stranger.getsockname()[1]}")
    assert settle().oss.endpoint == moved


@pytest.mark.usefixtures("state")
def test_a_busy_port_that_was_asked_for_is_refused_with_its_setting(monkeypatch: pytest.MonkeyPatch):
    with socket.socket() as stranger:
        stranger.bind(("127.0.0.1", 0))
        stranger.listen(1)
        url = f"http://127.0.0.1:{stranger.getsockname()[1]}"
        monkeypatch.setenv("SEARCHLOOM_QUERY__URL", url)
        with pytest.raises(UsageError, match=f"of query.url = {url} is taken by another process"):
            settle()


@pytest.mark.usefixtures("state")
def test_a_running_part_keeps_its_port_though_it_is_busy_by_itself():
    port = settle().embedding.url.rsplit(":", 1)[1]
    with socket.socket() as ours:
        ours.bind(("127.0.0.1", int(port)))
        ours.listen(1)
        assert settle(running=frozenset({"embedding"})).embedding.url.endswith(f":{port}")


@pytest.mark.usefixtures("state")
def test_a_cluster_elsewhere_is_left_to_its_owner(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SEARCHLOOM_OPENSEARCH__URL", "https://search.example.com:9200")
    assert settle().opensearch.url == "https://search.example.com:9200"
    assert not endpoints.is_local(settings_module.load(), "opensearch")


def test_a_damaged_memory_is_one_sentence(state: Path):
    settle()
    (state / "memory.yaml").write_text("ports: 3")
    with pytest.raises(UsageError, match=r"memory\.yaml cannot be read"):
        settle()
