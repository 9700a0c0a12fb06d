from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from searchloom import schemas
from searchloom.cloud.oss import Oss
from searchloom.errors import Terminal


def _vectors(dims: int) -> pa.Table:
    values = pa.array([[0.5] * dims], pa.list_(pa.float32(), dims))
    return pa.table({"content_sha256": ["a" * 64], "embedding": values})


def test_a_table_comes_back_as_it_was_written(oss: Oss):
    schemas.write_table(oss, "v.parquet", _vectors(4), schemas.vectors(4))
    assert schemas.read_table(oss, "v.parquet", schemas.vectors(4)).equals(_vectors(4).cast(schemas.vectors(4)))


def test_vectors_of_other_dims_are_refused_before_anything_is_written(oss: Oss):
    with pytest.raises(Terminal, match=r"w\.parquet"):
        schemas.write_table(oss, "w.parquet", _vectors(4), schemas.vectors(8))
    assert not oss.exists("w.parquet")


def test_a_missing_column_is_named(oss: Oss):
    with pytest.raises(Terminal, match="'embedding' is missing"):
        schemas.write_table(oss, "x.parquet", _vectors(4).drop_columns("embedding"), schemas.vectors(4))


def test_a_null_is_refused_where_the_schema_forbids_it(oss: Oss):
    table = _vectors(4).set_column(0, "content_sha256", pa.array([None], pa.string()))
    with pytest.raises(Terminal, match=r"null|nullable"):
        schemas.write_table(oss, "y.parquet", table, schemas.vectors(4))


@given(st.text(max_size=50), st.text(max_size=50), st.text(max_size=50))
def test_ids_are_alphanumeric_and_differ_where_documents_differ(corpus: str, key: str, record: str):
    identifier = schemas.doc_id(corpus, key, record)
    assert identifier.isalnum()
    assert len(identifier) == 32
    assert identifier != schemas.doc_id(corpus, key, record + "x")
