"""The index of a generation: fields, analysis, and what it says of itself; only the vector field differs by engine."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from searchloom.engines.dialect import Dialect
from searchloom.engines.interface import GenerationMeta
from searchloom.errors import Terminal

OWNER = "searchloom"
"""Where in the mapping's ``_meta`` our own facts stand."""

LEXICAL_FIELDS = ("title", "section", "text")
"""Analysed twice: as English, and in the sub-field ``.cjk`` as bigrams of Chinese, Japanese and Korean characters."""

SECTION_RAW = "section.raw"
SECTION_CHARS = 512
"""A longer name of a section is searched like any other, but not filtered by."""

_KEYWORDS = ("doc_id", "source_id", "key", "language", "mime", "tenant", "groups", "content_sha256")


def index_body(dialect: Dialect, meta: GenerationMeta) -> dict[str, Any]:
    """Body of the request that creates an index for this generation."""
    settings = {
        "number_of_shards": 1,
        "number_of_replicas": 0,
        # A load refreshes when it is done; more often would only cut the index into smaller segments.
        "refresh_interval": "30s",
        # How long a delete's version is remembered: a late, repeated write of an older seq must stay refused.
        "gc_deletes": "1h",
    }
    properties: dict[str, Any] = {name: {"type": "keyword"} for name in _KEYWORDS}
    properties |= {name: _text_field() for name in LEXICAL_FIELDS}
    # What is filtered by and counted as it stands. Indexes that were made before lack it: see lexical.conditions.
    properties["section"]["fields"]["raw"] = {"type": "keyword", "ignore_above": SECTION_CHARS}
    properties |= {
        "ordinal": {"type": "integer"},
        "seq": {"type": "long"},
        "last_modified": {"type": "date"},
        "embedding": dialect.vector_field(meta.dims),
    }
    return {
        "settings": {"index": settings | dialect.index_settings()},
        "mappings": {"dynamic": "strict", "_meta": meta_body(meta), "properties": properties},
    }


def _text_field() -> dict[str, Any]:
    return {"type": "text", "analyzer": "english", "fields": {"cjk": {"type": "text", "analyzer": "cjk"}}}


def meta_body(meta: GenerationMeta) -> dict[str, Any]:
    """Return the mapping's ``_meta`` that carries this."""
    return {OWNER: asdict(meta)}


def meta_of(index: str, mapping: dict[str, Any]) -> GenerationMeta:
    """Read what an index says of itself; ``Terminal`` if it is not one of ours."""
    facts = mapping.get("_meta", {}).get(OWNER)
    try:
        return GenerationMeta(**facts)
    except TypeError as error:
        raise Terminal(
            f"index {index!r} does not say which corpus and model it holds; it was not made by Searchloom: choose "
            "another name, or delete it"
        ) from error
