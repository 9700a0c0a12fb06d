"""The parquet files of the contract (design, section 3): Arrow schemas, ids, and reading and writing checked tables.

Every table is checked against its schema when it is written and when it is read: a file of another shape is refused
with one sentence, before anything is done with it.
"""

from __future__ import annotations

import io

import pyarrow as pa
import pyarrow.parquet as pq

from searchloom.cloud.oss import Oss
from searchloom.errors import Terminal
from searchloom.identity import EVERYONE, chunk_id, content_sha256, doc_id, embedding_text

__all__ = [
    "CHUNKS",
    "EVERYONE",
    "JUDGMENTS",
    "MANIFEST",
    "PASSAGES",
    "TRAINED_DOCUMENTS",
    "TRAINING_PAIRS",
    "chunk_id",
    "content_sha256",
    "doc_id",
    "embedding_text",
    "from_bytes",
    "judgments_key",
    "read_table",
    "to_bytes",
    "vectors",
    "write_table",
]

_TIME = pa.timestamp("ms", tz="UTC")

MANIFEST = pa.schema(
    [
        pa.field("doc_id", pa.string(), nullable=False),
        pa.field("source_id", pa.string(), nullable=False),  # the customer's id: a record's `_id`, or the key of a file
        pa.field("key", pa.string(), nullable=False),  # of the object that holds it, below raw/{corpus}/
        pa.field("etag", pa.string(), nullable=False),
        pa.field("size", pa.int64(), nullable=False),  # bytes of the object
        pa.field("last_modified", _TIME, nullable=False),
        pa.field("content_sha256", pa.string(), nullable=False),
        pa.field("mime", pa.string(), nullable=False),
        pa.field("language", pa.string(), nullable=False),  # ISO 639-1
        pa.field("tenant", pa.string(), nullable=False),
        pa.field("groups", pa.list_(pa.string()), nullable=False),
        pa.field("state", pa.string(), nullable=False),  # active, deleted, quarantined
        pa.field("reason", pa.string(), nullable=False),  # why it is quarantined; empty otherwise
        pa.field("seq", pa.int64(), nullable=False),  # number of the commit that last changed the document
        pa.field(
            "partition", pa.string(), nullable=False
        ),  # the chunk files of this seq lie below partition={partition}
        pa.field("chunk_count", pa.int32(), nullable=False),
        pa.field("chunk_high", pa.int32(), nullable=False),  # the most chunks it ever had: what may have to be deleted
    ]
)

CHUNKS = pa.schema(
    [
        pa.field("chunk_id", pa.string(), nullable=False),
        pa.field("doc_id", pa.string(), nullable=False),
        pa.field("source_id", pa.string(), nullable=False),
        pa.field("key", pa.string(), nullable=False),
        pa.field("ordinal", pa.int32(), nullable=False),
        pa.field("title", pa.string(), nullable=False),
        pa.field("section", pa.string(), nullable=False),
        pa.field("text", pa.string(), nullable=False),
        pa.field("language", pa.string(), nullable=False),
        pa.field("mime", pa.string(), nullable=False),
        pa.field("tenant", pa.string(), nullable=False),
        pa.field("groups", pa.list_(pa.string()), nullable=False),
        pa.field("last_modified", _TIME, nullable=False),
        pa.field("content_sha256", pa.string(), nullable=False),  # of `embedding_text`: what the vector is of
        pa.field("seq", pa.int64(), nullable=False),
    ]
)

JUDGMENTS = pa.schema(
    [
        pa.field("query_id", pa.string(), nullable=False),
        pa.field("query", pa.string(), nullable=False),
        pa.field("doc_id", pa.string(), nullable=False),
        pa.field("grade", pa.int32(), nullable=False),
        pa.field("source", pa.string(), nullable=False),  # human, click, synthetic
        pa.field("time", _TIME, nullable=False),
    ]
)

TRAINING_PAIRS = pa.schema(
    [
        pa.field("query_id", pa.string(), nullable=False),
        pa.field("query", pa.string(), nullable=False),
        pa.field("doc_id", pa.string(), nullable=False),
        pa.field("chunk_id", pa.string(), nullable=False),
        # as it is embedded; a pair made from the corpus leaves out the part of it that became the query
        pa.field("positive", pa.string(), nullable=False),
        pa.field("source", pa.string(), nullable=False),  # human, click, corpus, llm
        pa.field("weight", pa.float32(), nullable=False),  # in (0, 1]
        pa.field("negatives", pa.list_(pa.string()), nullable=False),  # as they are embedded; take the first k
        pa.field("negative_ids", pa.list_(pa.string()), nullable=False),  # their chunk ids
    ]
)

PASSAGES = pa.schema(
    [
        pa.field("chunk_id", pa.string(), nullable=False),
        pa.field("doc_id", pa.string(), nullable=False),
        pa.field("text", pa.string(), nullable=False),  # as it is embedded
    ]
)

TRAINED_DOCUMENTS = pa.schema(
    [
        pa.field("doc_id", pa.string(), nullable=False),
        pa.field("sources", pa.list_(pa.string()), nullable=False),  # of the pairs whose positive it is, sorted
    ]
)


def vectors(dims: int) -> pa.Schema:
    """Schema of a vector file: one row a distinct text, ``embedding`` of ``dims`` float32."""
    return pa.schema(
        [
            pa.field("content_sha256", pa.string(), nullable=False),
            pa.field("embedding", pa.list_(pa.float32(), dims), nullable=False),
        ]
    )


def judgments_key(corpus: str, split: str) -> str:
    """Key of the judgments of one split (train, dev, test)."""
    return f"judgments/{corpus}/{split}.parquet"


def write_table(oss: Oss, key: str, table: pa.Table, schema: pa.Schema) -> None:
    """Write a parquet file (zstd) after checking it; raises ``Terminal`` naming the first field that does not fit."""
    oss.put(key, to_bytes(table, key, schema), content_type="application/vnd.apache.parquet")


def read_table(oss: Oss, key: str, schema: pa.Schema, columns: list[str] | None = None) -> pa.Table:
    """Read a parquet file, or some of its columns, and check what came."""
    return from_bytes(oss.get(key), key, schema, columns)


def to_bytes(table: pa.Table, name: str, schema: pa.Schema) -> bytes:
    """Return the parquet file (zstd) of a table after checking it; errors name it ``name``."""
    buffer = io.BytesIO()
    pq.write_table(_checked(table, schema, name), buffer, compression="zstd")
    return buffer.getvalue()


def from_bytes(data: bytes, name: str, schema: pa.Schema, columns: list[str] | None = None) -> pa.Table:
    """Read a parquet file, or some of its columns, and check what came; errors name it ``name``."""
    table = pq.read_table(io.BytesIO(data), columns=columns)
    wanted = schema if columns is None else pa.schema([schema.field(column) for column in columns])
    return _checked(table, wanted, name)


def _checked(table: pa.Table, schema: pa.Schema, key: str) -> pa.Table:
    missing = [name for name in schema.names if name not in table.column_names]
    if missing:
        raise Terminal(f"{key}: column {missing[0]!r} is missing; the file was not written by this version")
    try:
        cast = table.select(schema.names).cast(schema)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError, ValueError) as error:
        raise Terminal(f"{key}: the table does not fit its schema: {error}") from error
    for field in schema:
        if not field.nullable and cast.column(field.name).null_count:
            raise Terminal(f"{key}: column {field.name!r} holds a null, which its schema forbids")
    return cast
