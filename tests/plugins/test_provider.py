from __future__ import annotations

import json
from importlib import import_module
from importlib.resources import files

import jsonschema
from airflow.providers_manager import ProvidersManager
from airflow.sdk.providers_manager_runtime import ProvidersManagerTaskRuntime

import alibaba_ai


def test_what_the_provider_says_of_itself_fits_airflows_schema() -> None:
    schema = json.loads(files("airflow").joinpath("provider_info.schema.json").read_text())
    jsonschema.validate(alibaba_ai.get_provider_info(), schema)


def test_airflow_finds_the_oss_connection_with_its_form_fields_and_its_test_button() -> None:
    hook = ProvidersManagerTaskRuntime().hooks["alibaba_oss"]
    assert hook
    assert hook.connection_testable
    manager = ProvidersManager()
    manager.initialize_providers_hooks()
    fields = {name.removeprefix("extra__alibaba_oss__") for name in manager.connection_form_widgets if "oss" in name}
    assert {"bucket", "region", "security_token"} <= fields
    behaviour = manager.field_behaviours["alibaba_oss"]
    assert behaviour["relabeling"]["host"] == "Endpoint"
    assert "extra" in behaviour["hidden_fields"]


def test_every_hook_that_the_provider_names_can_be_imported() -> None:
    for entry in alibaba_ai.get_provider_info()["hooks"]:
        for module in entry["python-modules"]:
            import_module(module)
