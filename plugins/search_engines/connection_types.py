"""The forms of the engines' connection types: those of the official providers, and a button that tests them."""

from __future__ import annotations

from typing import Any

_CA_CERTS: dict[str, Any] = {
    "label": "CA certificates",
    "description": "Path of a PEM file; empty: the system's. Certificates are always checked",
    "schema": {"type": ["string", "null"]},
}


def _engine(name: str, title: str) -> dict[str, Any]:
    return {
        "connection-type": f"searchloom_{name}",
        "hook-class-name": f"search_engines.hooks.{name}.{title}LoaderHook",
        "hook-name": f"{title} (searchloom)",
        "ui-field-behaviour": {
            "hidden-fields": ["extra"],
            "relabeling": {"schema": "http or https", "login": "User"},
            "placeholders": {"host": "search.example.com", "port": "9200", "schema": "https"},
        },
        "conn-fields": {"ca_certs": _CA_CERTS},
    }


SEARCH_ENGINES: list[dict[str, Any]] = [_engine("opensearch", "OpenSearch"), _engine("elasticsearch", "Elasticsearch")]
