from __future__ import annotations

from pathlib import Path

import pytest

from searchloom import settings
from searchloom.errors import UsageError


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("SEARCHLOOM_STATE", str(tmp_path))
    settings.load.cache_clear()
    yield
    settings.load.cache_clear()


def test_the_environment_beats_what_the_local_stack_wrote(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    (tmp_path / "endpoints.yaml").write_text("oss:\n  endpoint: http://127.0.0.1:1\n  bucket: from-file\n")
    monkeypatch.setenv("SEARCHLOOM_OSS__BUCKET", "from-environment")
    loaded = settings.load()
    assert (loaded.oss.endpoint, loaded.oss.bucket) == ("http://127.0.0.1:1", "from-environment")


def test_one_value_of_a_group_can_be_set_without_the_others(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SEARCHLOOM_OPENSEARCH__HEAP", "1g")
    assert (settings.load().opensearch.heap, settings.load().opensearch.url) == ("1g", "http://127.0.0.1:9200")


def test_an_unknown_profile_is_refused_by_name(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SEARCHLOOM_PROFILE", "nowhere")
    with pytest.raises(UsageError, match=r"'nowhere'.*local"):
        settings.load()


def test_a_value_that_does_not_fit_is_named_with_its_place(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SEARCHLOOM_CHUNKING__MAX_TOKENS", "3")
    with pytest.raises(UsageError, match=r"chunking\.max_tokens = '3'"):
        settings.load()


def test_secrets_do_not_show_when_settings_are_printed(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SEARCHLOOM_OSS__ACCESS_KEY_SECRET", "do-not-show")
    assert "do-not-show" not in repr(settings.load())
