"""The "Test connection" button of every connection type, against the local cloud."""

from __future__ import annotations

import json
from typing import Any

import pytest
from airflow.models import Connection

from alibaba_ai.hooks.pai import PaiHook
from searchloom.orchestration.connections import environment
from searchloom.settings import Settings
from tests.plugins.alibaba_ai.conftest import INSTANCE, WORKSPACE
from tests.servers import LocalCloud

pytestmark = pytest.mark.usefixtures("oss")


def pressed(name: str) -> tuple[bool, str]:
    """Press the button: Airflow finds the hook by the type."""
    connection = Connection.get_connection_from_secrets(name)  # noqa: AIR311  the UI's button takes this one
    return connection.test_connection()  # type: ignore[no-any-return]


def change(monkeypatch: pytest.MonkeyPatch, settings: Settings, name: str, **fields: Any) -> None:
    variable = f"AIRFLOW_CONN_{name.upper()}"
    connection = json.loads(environment(settings)[variable])
    extra = connection["extra"] | fields.pop("extra", {})
    monkeypatch.setenv(variable, json.dumps(connection | fields | {"extra": extra}))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("alibaba_oss", "bucket 'examples' at {url} answers"),
        ("alibaba_pai", f"workspace '{WORKSPACE}' at {{url}} answers"),
        ("alibaba_airec", f"instance '{INSTANCE}' at {{url}} is Running"),
        ("alibaba_bailian", "DashScope at {url} takes the API key"),
    ],
)
def test_a_connection_that_works_says_what_answers(name: str, words: str, cloud: LocalCloud) -> None:
    assert pressed(name) == (True, words.format(url=cloud.endpoint))


@pytest.mark.parametrize("name", ["alibaba_oss", "alibaba_pai", "alibaba_airec", "alibaba_bailian"])
def test_a_wrong_key_is_one_sentence_without_the_key(
    name: str, connected: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    change(monkeypatch, connected, name, password="wrong-secret")
    works, sentence = pressed(name)
    assert not works
    assert "\n" not in sentence
    assert "RequestId" in sentence
    assert "wrong-secret" not in sentence


@pytest.mark.parametrize(
    ("name", "field", "label"),
    [
        ("alibaba_pai", "workspace_id", "Workspace id"),
        ("alibaba_airec", "instance_id", "Instance id"),
        ("alibaba_oss", "bucket", "Bucket"),
    ],
)
def test_a_form_that_was_left_empty_names_the_field(
    name: str, field: str, label: str, connected: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    change(monkeypatch, connected, name, extra={field: ""})
    works, sentence = pressed(name)
    assert not works
    assert f"'{name}' has no {label}" in sentence


def test_a_connection_may_name_a_role_whose_temporary_keys_are_used(
    cloud: LocalCloud, connected: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    change(monkeypatch, connected, "alibaba_pai", extra={"role_arn": "acs:ram::1000000000000001:role/searchloom"})
    assert pressed("alibaba_pai")[0]
    change(monkeypatch, connected, "alibaba_pai", extra={"role_arn": "no role"})
    works, sentence = pressed("alibaba_pai")
    assert not works
    assert "STS refused role 'no role'" in sentence
    assert cloud.access_key_secret not in sentence


def test_a_cloud_that_is_away_is_one_sentence(connected: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    change(monkeypatch, connected, "alibaba_pai", host="http://127.0.0.1:9")
    works, sentence = PaiHook().test_connection()
    assert (works, "cannot be reached" in sentence) == (False, True)
