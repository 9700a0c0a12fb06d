"""Airflow provider for the two engines: connections, hooks that make our loaders, and operators over them.

The connection types ``searchloom_opensearch`` and ``searchloom_elasticsearch`` hold what those of the official
providers hold, and can be tested; connections of the official types (``opensearch``, ``elasticsearch``) do as well.
"""

from __future__ import annotations

from typing import Any

_INTEGRATIONS = {"OpenSearch": "https://docs.opensearch.org/", "Elasticsearch": "https://www.elastic.co/docs/"}


def get_provider_info() -> dict[str, Any]:
    """What this package adds to the distribution's one provider description, which ``alibaba_ai`` puts together."""
    return {
        "integrations": [
            {"integration-name": name, "external-doc-url": url, "tags": ["service"]}
            for name, url in _INTEGRATIONS.items()
        ],
        "hooks": [
            {"integration-name": name, "python-modules": [f"search_engines.hooks.{name.lower()}"]}
            for name in _INTEGRATIONS
        ],
        "operators": [
            {"integration-name": name, "python-modules": ["search_engines.operators.generation"]}
            for name in _INTEGRATIONS
        ],
    }
