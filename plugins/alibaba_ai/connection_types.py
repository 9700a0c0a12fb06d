"""The forms of the connection types, as ``provider_info.schema.json`` of Airflow describes them."""

from __future__ import annotations

from typing import Any

from search_engines.connection_types import SEARCH_ENGINES

_OPTIONAL_TEXT = {"type": ["string", "null"]}
_OPTIONAL_SECRET = {"type": ["string", "null"], "format": "password"}

_REGION: dict[str, Any] = {
    "label": "Region",
    "description": "Such as cn-hangzhou; for OSS too without 'oss-': it is part of the signature",
    "schema": {"type": ["string", "null"], "default": "cn-hangzhou"},
}

_SECURITY_TOKEN: dict[str, Any] = {
    "label": "Security token",
    "description": "Only with temporary credentials (STS)",
    "schema": _OPTIONAL_SECRET,
}

_ROLE: dict[str, Any] = {
    "label": "Role to assume",
    "description": "ARN of a RAM role (acs:ram::ACCOUNT:role/NAME): its temporary keys are taken from STS",
    "schema": _OPTIONAL_TEXT,
}

_WORKSPACE: dict[str, Any] = {
    "label": "Workspace id",
    "description": "The workspace that jobs, models, services or indexes belong to",
    "schema": _OPTIONAL_TEXT,
}

_KEY_LABELS = {"host": "Endpoint", "login": "Access key id", "password": "Access key secret"}
_HIDDEN = ["port", "schema", "extra"]
_PLACEHOLDERS = {
    "host": "empty: the public endpoints of the region",
    "login": "empty: the role of the machine, or what else the SDK finds",
}


def _text(label: str, description: str) -> dict[str, Any]:
    return {"label": label, "description": description, "schema": _OPTIONAL_TEXT}


_OSS: dict[str, Any] = {
    "connection-type": "alibaba_oss",
    "hook-class-name": "alibaba_ai.hooks.oss.OssHook",
    "hook-name": "Alibaba Cloud OSS (searchloom)",
    "ui-field-behaviour": {
        "hidden-fields": _HIDDEN,
        "relabeling": _KEY_LABELS,
        "placeholders": {"host": "https://oss-cn-hangzhou.aliyuncs.com"},
    },
    "conn-fields": {
        "bucket": _text("Bucket", "The bucket that holds the corpus, the models and the releases"),
        "region": _REGION,
        "security_token": _SECURITY_TOKEN,
    },
}

_PAI: dict[str, Any] = {
    "connection-type": "alibaba_pai",
    "hook-class-name": "alibaba_ai.hooks.pai.PaiHook",
    "hook-name": "Alibaba Cloud PAI (searchloom)",
    "ui-field-behaviour": {"hidden-fields": _HIDDEN, "relabeling": _KEY_LABELS, "placeholders": _PLACEHOLDERS},
    "conn-fields": {
        "workspace_id": _WORKSPACE,
        "region": _REGION,
        "security_token": _SECURITY_TOKEN,
        "role_arn": _ROLE,
    },
}

_AIREC: dict[str, Any] = {
    "connection-type": "alibaba_airec",
    "hook-class-name": "alibaba_ai.hooks.airec.AirecHook",
    "hook-name": "Alibaba Cloud AIRec (searchloom)",
    "ui-field-behaviour": {"hidden-fields": _HIDDEN, "relabeling": _KEY_LABELS, "placeholders": _PLACEHOLDERS},
    "conn-fields": {
        "instance_id": _text("Instance id", "Such as airec-cn-..."),
        "scene_id": _text("Scene", "The scene that is asked where a call names none"),
        "region": _REGION,
        "security_token": _SECURITY_TOKEN,
        "role_arn": _ROLE,
    },
}

_BAILIAN: dict[str, Any] = {
    "connection-type": "alibaba_bailian",
    "hook-class-name": "alibaba_ai.hooks.bailian.BailianHook",
    "hook-name": "Alibaba Cloud Bailian (searchloom)",
    "ui-field-behaviour": {
        "hidden-fields": ["login", *_HIDDEN],
        "relabeling": {"host": "DashScope URL", "password": "API key"},
        "placeholders": {"host": "empty: https://dashscope.aliyuncs.com", "password": "sk-..."},
    },
    "conn-fields": {
        "workspace_id": _WORKSPACE,
        "region": _REGION,
        "access_key_id": _text("Access key id", "For the RAG calls alone: files, indexes, retrieval"),
        "access_key_secret": {
            "label": "Access key secret",
            "description": "For the RAG calls alone",
            "schema": _OPTIONAL_SECRET,
        },
        "security_token": _SECURITY_TOKEN,
        "role_arn": _ROLE,
        "rag_endpoint": _text("RAG endpoint", "Empty: the public endpoint of the region"),
    },
}

CONNECTION_TYPES: list[dict[str, Any]] = [_OSS, _PAI, _AIREC, _BAILIAN, *SEARCH_ENGINES]
"""Every connection type of the distribution's one provider."""
