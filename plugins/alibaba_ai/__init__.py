"""Airflow provider for Alibaba Cloud: connections and hooks around ``searchloom.cloud``.

Airflow finds it by the entry point ``apache_airflow_provider``, as it finds every provider. It takes one provider of an
installed distribution, the first, so this one speaks for ``search_engines`` too.
"""

from __future__ import annotations

from typing import Any

import search_engines

_OPTIONAL_TEXT = {"type": ["string", "null"]}

_SECURITY_TOKEN: dict[str, Any] = {
    "label": "Security token",
    "description": "Only with temporary credentials (STS)",
    "schema": {"type": ["string", "null"], "format": "password"},
}

_OSS_CONNECTION: dict[str, Any] = {
    "connection-type": "alibaba_oss",
    "hook-class-name": "alibaba_ai.hooks.oss.OssHook",
    "hook-name": "Alibaba Cloud OSS (searchloom)",
    "ui-field-behaviour": {
        "hidden-fields": ["port", "schema", "extra"],
        "relabeling": {"host": "Endpoint", "login": "Access key id", "password": "Access key secret"},
        "placeholders": {"host": "https://oss-cn-hangzhou.aliyuncs.com"},
    },
    "conn-fields": {
        "bucket": {
            "label": "Bucket",
            "description": "The bucket that holds the corpus, the models and the releases",
            "schema": _OPTIONAL_TEXT,
        },
        "region": {
            "label": "Region",
            "description": "Without 'oss-', such as cn-hangzhou: it is part of the V4 signature",
            "schema": {"type": ["string", "null"], "default": "cn-hangzhou"},
        },
        "security_token": _SECURITY_TOKEN,
    },
}

_PAI_CONNECTION: dict[str, Any] = {
    "connection-type": "alibaba_pai",
    "hook-class-name": "alibaba_ai.hooks.pai.PaiHook",
    "hook-name": "Alibaba Cloud PAI (searchloom)",
    "ui-field-behaviour": {
        "hidden-fields": ["port", "schema", "extra"],
        "relabeling": {"host": "Endpoint", "login": "Access key id", "password": "Access key secret"},
        "placeholders": {
            "host": "empty: the public endpoints of the region",
            "login": "empty: the role of the machine, or what else the SDK finds",
        },
    },
    "conn-fields": {
        "workspace_id": {
            "label": "Workspace id",
            "description": "The PAI workspace that jobs, models and services belong to",
            "schema": _OPTIONAL_TEXT,
        },
        "region": {
            "label": "Region",
            "description": "Such as cn-hangzhou",
            "schema": {"type": ["string", "null"], "default": "cn-hangzhou"},
        },
        "security_token": _SECURITY_TOKEN,
    },
}


def get_provider_info() -> dict[str, Any]:
    """Return what Airflow wants to know of a provider; its schema is ``provider_info.schema.json`` of Airflow."""
    engines = search_engines.get_provider_info()
    oss = {"integration-name": "Alibaba Cloud OSS", "external-doc-url": "https://www.alibabacloud.com/help/en/oss/"}
    pai = {"integration-name": "Alibaba Cloud PAI", "external-doc-url": "https://www.alibabacloud.com/help/en/pai/"}
    return {
        "package-name": "searchloom",
        "name": "Searchloom: Alibaba Cloud AI and search engines",
        "description": "OSS, where documents, models and releases are; PAI; OpenSearch and Elasticsearch.",
        "integrations": [{**oss, "tags": ["service"]}, {**pai, "tags": ["service"]}, *engines["integrations"]],
        "hooks": [
            {"integration-name": "Alibaba Cloud OSS", "python-modules": ["alibaba_ai.hooks.oss"]},
            {"integration-name": "Alibaba Cloud PAI", "python-modules": ["alibaba_ai.hooks.pai"]},
            *engines["hooks"],
        ],
        "operators": [
            {
                "integration-name": "Alibaba Cloud PAI",
                "python-modules": ["alibaba_ai.operators.pai_dlc", "alibaba_ai.operators.pai_eas"],
            }
        ],
        "triggers": [
            {
                "integration-name": "Alibaba Cloud PAI",
                "python-modules": ["alibaba_ai.triggers.pai_dlc", "alibaba_ai.triggers.pai_eas"],
            }
        ],
        "extra-links": ["alibaba_ai.links.pai.PaiDlcJobLink", "alibaba_ai.links.pai.PaiEasServiceLink"],
        "connection-types": [_OSS_CONNECTION, _PAI_CONNECTION],
    }
