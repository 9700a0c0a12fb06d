"""Our settings as Airflow connections, for an Airflow that we start ourselves (the local stack, the tests).

Elsewhere the same connections are made in Airflow's secrets backend or under Admin, Connections.
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlsplit

from searchloom.settings import ENGINES, Settings


def environment(settings: Settings) -> dict[str, str]:
    """Return ``AIRFLOW_CONN_*`` of the connections that the DAGs use: ``alibaba_oss``, ``alibaba_pai``, ...."""
    oss, acs = settings.oss, settings.acs
    connections: dict[str, dict[str, Any]] = {
        "alibaba_oss": {
            "conn_type": "alibaba_oss",
            "host": oss.endpoint,
            "login": oss.access_key_id,
            "password": oss.access_key_secret.get_secret_value(),
            "extra": {
                "bucket": oss.bucket,
                "region": oss.region,
                "security_token": oss.security_token.get_secret_value(),
            },
        },
        "alibaba_pai": {
            "conn_type": "alibaba_pai",
            "host": acs.endpoint,
            "login": acs.access_key_id,
            "password": acs.access_key_secret.get_secret_value(),
            "extra": {
                "workspace_id": settings.pai.workspace_id,
                "region": acs.region,
                "security_token": acs.security_token.get_secret_value(),
            },
        },
    }
    for name in ENGINES:
        engine = settings.engine(name)
        url = urlsplit(engine.url)
        secure = url.scheme == "https"
        connections[f"{name}_default"] = {
            "conn_type": name,
            "host": url.hostname,
            "port": url.port or (443 if secure else 80),
            "schema": url.scheme,
            "login": engine.username,
            "password": engine.password.get_secret_value(),
            "extra": {"use_ssl": secure, "ca_certs": str(engine.ca_certs or "")},
        }
    return {f"AIRFLOW_CONN_{name.upper()}": json.dumps(connection) for name, connection in connections.items()}
