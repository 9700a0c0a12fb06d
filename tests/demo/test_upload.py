from __future__ import annotations

import json

from searchloom import schemas
from searchloom.cloud.oss import Oss
from searchloom.demo.api_reference import Symbol
from searchloom.demo.upload import upload


def _corpus(count: int) -> dict[str, list[Symbol]]:
    return {
        "pandas": [Symbol(f"pandas.f{i}", f"Summary line number {i} of it", "body " * 50) for i in range(count)],
        "numpy": [Symbol("numpy.g", "The one summary line of numpy", "other " * 50)],
    }


def test_only_what_changed_is_written_and_what_is_gone_is_deleted(oss: Oss):
    assert upload(oss, "c", _corpus(3)).written == 2
    assert upload(oss, "c", _corpus(3)).written == 0
    assert upload(oss, "c", _corpus(4)).written == 1
    assert upload(oss, "c", {"pandas": _corpus(4)["pandas"]}).written == 0
    assert [info.key for info in oss.list("raw/c/")] == ["raw/c/api/pandas.jsonl"]


def test_judgments_name_the_documents_that_the_ingest_makes(oss: Oss):
    upload(oss, "c", _corpus(20))
    rows = [
        row
        for split in ("train", "dev", "test")
        for row in schemas.read_table(oss, schemas.judgments_key("c", split), schemas.JUDGMENTS).to_pylist()
    ]
    records = [json.loads(line) for line in oss.get("raw/c/api/pandas.jsonl").splitlines()]
    documents = {schemas.doc_id("c", "api/pandas.jsonl", record["_id"]) for record in records}
    documents.add(schemas.doc_id("c", "api/numpy.jsonl", "numpy.g"))
    assert {row["doc_id"] for row in rows} == documents
    assert {row["source"] for row in rows} == {"synthetic"}
