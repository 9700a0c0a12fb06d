"""Airflow provider for Alibaba Cloud: connections, hooks, operators and sensors around ``searchloom.cloud``.

Airflow finds it by the entry point ``apache_airflow_provider``, as it finds every provider. It takes one provider of an
installed distribution, the first, so this one speaks for ``search_engines`` too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import search_engines
from alibaba_ai.connection_types import CONNECTION_TYPES

_INTEGRATIONS = {
    "Alibaba Cloud OSS": "https://www.alibabacloud.com/help/en/oss/",
    "Alibaba Cloud PAI": "https://www.alibabacloud.com/help/en/pai/",
    "Alibaba Cloud Bailian": "https://www.alibabacloud.com/help/en/model-studio/",
    "Alibaba Cloud AIRec": "https://www.alibabacloud.com/help/en/airec/",
}

_OPERATORS = {
    "Alibaba Cloud PAI": ("pai_dlc", "pai_eas", "pai_eas_traffic", "pai_registry"),
    "Alibaba Cloud Bailian": ("bailian_fine_tune", "bailian_deploy", "bailian_index"),
    "Alibaba Cloud AIRec": ("airec", "airec_push"),
}

_TRIGGERS = {
    "Alibaba Cloud OSS": ("oss",),
    "Alibaba Cloud PAI": ("pai_dlc", "pai_eas"),
    "Alibaba Cloud Bailian": ("bailian",),
    "Alibaba Cloud AIRec": ("airec",),
}

_HOOKS = {
    "Alibaba Cloud OSS": ("oss",),
    "Alibaba Cloud PAI": ("pai",),
    "Alibaba Cloud Bailian": ("bailian",),
    "Alibaba Cloud AIRec": ("airec",),
}

_SENSORS = {"Alibaba Cloud OSS": ("oss",), "Alibaba Cloud PAI": ("pai",)}

_LINKS = (
    "pai.PaiDlcJobLink",
    "pai.PaiEasServiceLink",
    "pai.PaiModelLink",
    "bailian.BailianFineTuneLink",
    "bailian.BailianDeploymentLink",
    "bailian.BailianIndexLink",
    "airec.AirecInstanceLink",
)


def get_provider_info() -> dict[str, Any]:
    """Return what Airflow wants to know of a provider; its schema is ``provider_info.schema.json`` of Airflow."""
    engines = search_engines.get_provider_info()
    ours = [
        {"integration-name": name, "external-doc-url": url, "tags": ["service"]} for name, url in _INTEGRATIONS.items()
    ]
    return {
        "package-name": "searchloom",
        "name": "Searchloom: Alibaba Cloud AI and search engines",
        "description": "OSS, PAI, Bailian and AIRec of Alibaba Cloud; OpenSearch and Elasticsearch.",
        "integrations": [*ours, *engines["integrations"]],
        "hooks": [*_modules("hooks", _HOOKS), *engines["hooks"]],
        "operators": [*_modules("operators", _OPERATORS), *engines["operators"]],
        "sensors": _modules("sensors", _SENSORS),
        "triggers": _modules("triggers", _TRIGGERS),
        "extra-links": [f"alibaba_ai.links.{link}" for link in _LINKS],
        "connection-types": CONNECTION_TYPES,
    }


def _modules(kind: str, of: Mapping[str, Sequence[str]]) -> list[dict[str, Any]]:
    return [
        {"integration-name": name, "python-modules": [f"alibaba_ai.{kind}.{module}" for module in modules]}
        for name, modules in of.items()
    ]
