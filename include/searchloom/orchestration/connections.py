"""Our settings as Airflow connections, for an Airflow that we start ourselves (the local stack, the tests).

Elsewhere the same connections are made in Airflow's secrets backend or under Admin, Connections.
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlsplit

from searchloom.settings import ENGINES, Acs, EngineName, Settings


def environment(settings: Settings) -> dict[str, str]:
    """Return ``AIRFLOW_CONN_*`` of the connections that the DAGs use: ``alibaba_oss``, ``alibaba_pai``, ...."""
    connections = {
        "alibaba_oss": _oss(settings),
        "alibaba_pai": _acs(settings.acs, "alibaba_pai", workspace_id=settings.pai.workspace_id),
        "alibaba_airec": _acs(
            settings.acs,
            "alibaba_airec",
            instance_id=settings.airec.instance_id,
            scene_id=settings.airec.scene_id,
        ),
        "alibaba_bailian": _bailian(settings),
        **{f"{name}_default": _engine(settings, name) for name in ENGINES},
    }
    return {f"AIRFLOW_CONN_{name.upper()}": json.dumps(connection) for name, connection in connections.items()}


def _oss(settings: Settings) -> dict[str, Any]:
    oss = settings.oss
    return {
        "conn_type": "alibaba_oss",
        "host": oss.endpoint,
        "login": oss.access_key_id,
        "password": oss.access_key_secret.get_secret_value(),
        "extra": {
            "bucket": oss.bucket,
            "region": oss.region,
            "security_token": oss.security_token.get_secret_value(),
        },
    }


def _acs(acs: Acs, kind: str, **more: str) -> dict[str, Any]:
    return {
        "conn_type": kind,
        "host": acs.endpoint,
        "login": acs.access_key_id,
        "password": acs.access_key_secret.get_secret_value(),
        "extra": {
            **more,
            "region": acs.region,
            "security_token": acs.security_token.get_secret_value(),
            "role_arn": acs.role_arn if acs.credentials == "role_arn" else "",
        },
    }


def _bailian(settings: Settings) -> dict[str, Any]:
    bailian = settings.bailian
    acs = _acs(settings.acs, "", workspace_id=bailian.workspace_id)
    return {
        "conn_type": "alibaba_bailian",
        "host": bailian.url,
        "password": bailian.api_key.get_secret_value(),
        "extra": {
            **acs["extra"],
            "access_key_id": acs["login"],
            "access_key_secret": acs["password"],
            "rag_endpoint": acs["host"],
        },
    }


def _engine(settings: Settings, name: EngineName) -> dict[str, Any]:
    engine = settings.engine(name)
    url = urlsplit(engine.url)
    secure = url.scheme == "https"
    return {
        "conn_type": f"searchloom_{name}",
        "host": url.hostname,
        "port": url.port or (443 if secure else 80),
        "schema": url.scheme,
        "login": engine.username,
        "password": engine.password.get_secret_value(),
        "extra": {"use_ssl": secure, "ca_certs": str(engine.ca_certs or "")},
    }
