"""Airflow provider for the two engines: hooks that turn their official connections into our loaders.

The connection types ``opensearch`` and ``elasticsearch`` are those of the official providers
(``apache-airflow-providers-opensearch`` and ``-elasticsearch``); this package adds no types of its own.
"""

from __future__ import annotations

from typing import Any


def get_provider_info() -> dict[str, Any]:
    """What this package adds to the distribution's one provider description, which ``alibaba_ai`` puts together."""
    return {
        "package-name": "searchloom",
        "name": "Search engines",
        "description": "OpenSearch and Elasticsearch, loaded with the same documents under the same versions.",
        "integrations": [
            {"integration-name": "OpenSearch", "external-doc-url": "https://docs.opensearch.org/", "tags": ["service"]},
            {
                "integration-name": "Elasticsearch",
                "external-doc-url": "https://www.elastic.co/docs/",
                "tags": ["service"],
            },
        ],
        "hooks": [
            {"integration-name": "OpenSearch", "python-modules": ["search_engines.hooks.opensearch"]},
            {"integration-name": "Elasticsearch", "python-modules": ["search_engines.hooks.elasticsearch"]},
        ],
    }
