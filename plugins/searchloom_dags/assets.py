"""The assets that link the DAGs; their partition keys are ``{corpus}|{day}``."""

from __future__ import annotations

from airflow.sdk import Asset

CHUNKS = Asset("chunks", uri="searchloom://corpus/chunks", group="searchloom")
VECTORS = Asset("vectors", uri="searchloom://corpus/vectors", group="searchloom")
SEARCH_INDEX = Asset("search_index", uri="searchloom://engines/search_index", group="searchloom")
