from __future__ import annotations

import json
from importlib import import_module
from importlib.resources import files

import jsonschema
import pytest
from airflow.providers_manager import ProvidersManager
from airflow.sdk.providers_manager_runtime import ProvidersManagerTaskRuntime

import alibaba_ai

TYPES = {
    "alibaba_oss": {"bucket", "region", "security_token"},
    "alibaba_pai": {"workspace_id", "region", "security_token", "role_arn"},
    "alibaba_airec": {"instance_id", "scene_id", "region", "security_token", "role_arn"},
    "alibaba_bailian": {"workspace_id", "access_key_id", "access_key_secret", "rag_endpoint"},
    "searchloom_opensearch": {"ca_certs"},
    "searchloom_elasticsearch": {"ca_certs"},
}


def test_what_the_provider_says_of_itself_fits_airflows_schema() -> None:
    schema = json.loads(files("airflow").joinpath("provider_info.schema.json").read_text())
    jsonschema.validate(alibaba_ai.get_provider_info(), schema)


@pytest.mark.parametrize("kind", sorted(TYPES))
def test_airflow_finds_each_connection_type_with_its_form_fields_and_its_test_button(kind: str) -> None:
    hook = ProvidersManagerTaskRuntime().hooks[kind]
    assert hook
    assert hook.connection_testable
    manager = ProvidersManager()
    manager.initialize_providers_hooks()
    prefix = f"extra__{kind}__"
    fields = {name.removeprefix(prefix) for name in manager.connection_form_widgets if name.startswith(prefix)}
    assert fields >= TYPES[kind]
    assert "extra" in manager.field_behaviours[kind]["hidden_fields"]


def test_every_type_of_the_provider_is_tested_here() -> None:
    assert {entry["connection-type"] for entry in alibaba_ai.get_provider_info()["connection-types"]} == set(TYPES)


def test_a_secret_of_a_form_is_hidden_while_it_is_typed_and_masked_in_logs() -> None:
    for entry in alibaba_ai.get_provider_info()["connection-types"]:
        for name, field in entry["conn-fields"].items():
            secret = any(word in name for word in ("secret", "token"))
            assert (field["schema"].get("format") == "password") is secret, name


@pytest.mark.parametrize("kind", ["hooks", "operators", "sensors", "triggers"])
def test_every_module_that_the_provider_names_can_be_imported(kind: str) -> None:
    for entry in alibaba_ai.get_provider_info()[kind]:
        for module in entry["python-modules"]:
            import_module(module)


def test_every_link_that_the_provider_names_is_there() -> None:
    for path in alibaba_ai.get_provider_info()["extra-links"]:
        module, _, name = path.rpartition(".")
        assert getattr(import_module(module), name).xcom_key
