"""A small collection for the tests: two tenants, a closed group, Chinese, markup, a document of several chunks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from searchloom.engines.interface import Write
from searchloom.schemas import EVERYONE, chunk_id, content_sha256, doc_id, embedding_text
from tests.query.tiny_embedding import encode

CORPUS = "tests"


@dataclass(frozen=True)
class Document:
    """A document and its chunks."""

    name: str
    title: str
    chunks: tuple[str, ...]
    language: str = "en"
    tenant: str = "default"
    groups: tuple[str, ...] = (EVERYONE,)
    sections: dict[int, str] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """Our id of it."""
        return doc_id(CORPUS, f"{self.name}.md")


DOCUMENTS = (
    Document("merge", "DataFrame.merge", ("Merge two tables with a database-style join on a key column.",)),
    Document(
        "concat", "concat", ("Concatenate tables along an axis.", "Join the columns of tables with an inner join.")
    ),
    Document("parquet", "read_parquet", ("Load a parquet table from a file path.", "Columns of the parquet table.")),
    Document("plan", "Salary plan", ("The secret salary table of the finance team.",), groups=("finance",)),
    Document("acme", "Acme table", ("The secret table of the company Acme.",), tenant="acme"),
    Document("acme-hr", "Acme people", ("The secret table of the people team.",), tenant="acme", groups=("hr",)),
    Document("script", "Script", ("A table <script>alert('x')</script> & <em>markup</em> in a table.",)),
    Document("note", "", ("A note that nobody gave a title.",), tenant="untitled"),
    Document("zh", "合并表格", ("使用键列合并两个表格的方法。",), language="zh"),
)


Encode = Callable[[list[str]], np.ndarray]


def writes(seq: int = 1, encode: Encode = encode, mark: str = "") -> list[Write]:
    """All chunks, as the loader writes them; ``mark`` stands in each ``section``."""
    return [
        Write("index", chunk_id(document.id, ordinal), seq, _source(document, ordinal, text, seq, encode, mark))
        for document in DOCUMENTS
        for ordinal, text in enumerate(document.chunks)
    ]


def _source(document: Document, ordinal: int, text: str, seq: int, encode: Encode, mark: str) -> dict[str, Any]:
    section = mark or document.sections.get(ordinal, "")
    whole = embedding_text(document.title, section, text)
    return {
        "doc_id": document.id,
        "source_id": f"{document.name}.md",
        "key": f"{document.name}.md" if document.title else "many.jsonl",
        "ordinal": ordinal,
        "title": document.title,
        "section": section,
        "text": text,
        "language": document.language,
        "mime": "text/markdown",
        "tenant": document.tenant,
        "groups": list(document.groups),
        "last_modified": 1_700_000_000_000,
        "content_sha256": content_sha256(whole),
        "seq": seq,
        "embedding": encode([whole])[0].tolist(),
    }
