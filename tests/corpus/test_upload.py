from __future__ import annotations

import gzip
import os
from pathlib import Path
from typing import Any

import pytest

from searchloom import schemas
from searchloom.corpus import upload
from searchloom.errors import NotFound, UsageError
from tests.corpus.runs import Runs


def write(folder: Path, files: dict[str, str]) -> None:
    for name, body in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if name.endswith(".gz"):
            path.write_bytes(gzip.compress(body.encode()))
        else:
            path.write_text(body, encoding="utf-8")


BEIR = {
    "corpus.jsonl.gz": '{"_id": "d1", "title": "T", "text": "one"}\n{"_id": "d2", "text": "two"}\n',
    "queries.jsonl": '{"_id": "q1", "text": "first?"}\n{"_id": "q2", "text": "second?"}\n',
    "qrels/train.tsv": "query-id\tcorpus-id\tscore\nq1\td1\t1\n",
    "qrels/test.tsv.gz": "query-id\tcorpus-id\tscore\nq2\td2\t2\nq2\td9\t0\n",
}


def test_files_and_folders_keep_their_names_and_access(runs: Runs, folder: Path) -> None:
    names = [
        "docs/a b.txt",
        'docs/it\'s "q".md',
        "docs/中文/..odd..md",
        "docs/.git/config",
        "docs/.DS_Store",
        "one.txt",
    ]
    write(folder, dict.fromkeys(names, "text"))
    keys = upload.put(runs.oss, runs.corpus, [folder / "docs", folder / "one.txt"], tenant="acme", groups=["a,b"])
    assert set(keys) == {"docs/a b.txt", 'docs/it\'s "q".md', "docs/中文/..odd..md", "one.txt"}
    assert {info.key for info in runs.oss.list(f"raw/{runs.corpus}/")} == {f"raw/{runs.corpus}/{key}" for key in keys}
    runs.run()
    assert {(row["tenant"], *row["groups"]) for row in runs.rows().values()} == {("acme", "a,b")}


def test_what_leads_out_of_a_folder_or_collides_is_refused_as_a_whole(runs: Runs, folder: Path) -> None:
    write(folder, {"secret.txt": "s", "a/docs/x.txt": "1", "b/docs/x.txt": "2", "c/ok.txt": "3"})
    (folder / "c" / "link.txt").symlink_to(folder / "secret.txt")
    with pytest.raises(UsageError, match="leads out"):
        upload.put(runs.oss, runs.corpus, [folder / "c"])
    with pytest.raises(UsageError, match=r"both become 'docs/x\.txt'"):
        upload.put(runs.oss, runs.corpus, [folder / "a" / "docs", folder / "b" / "docs"])
    with pytest.raises(UsageError, match="neither a file nor a folder"):
        upload.put(runs.oss, runs.corpus, [folder / "secret.txt", folder / "missing"])
    Path(os.fsdecode(bytes(folder) + b"/c/\xff.txt")).write_text("x", encoding="utf-8")
    (folder / "c" / "link.txt").unlink()
    with pytest.raises(UsageError, match="not UTF-8"):
        upload.put(runs.oss, runs.corpus, [folder / "c"])
    assert not list(runs.oss.list(f"raw/{runs.corpus}/"))


def test_removing_takes_keys_and_folders_and_refuses_what_is_not_there(runs: Runs) -> None:
    runs.put({"a.txt": "1", "b/c.txt": "2", "b/d.txt": "3"})
    with pytest.raises(NotFound, match=r"no 'zzz.txt'"):
        upload.remove(runs.oss, runs.corpus, ["a.txt", "zzz.txt"])
    assert upload.remove(runs.oss, runs.corpus, ["a.txt", "b/"]) == ["a.txt", "b/c.txt", "b/d.txt"]
    assert not list(runs.oss.list(f"raw/{runs.corpus}/"))


def test_an_imported_collection_judges_the_documents_that_the_ingest_makes_of_it(runs: Runs, folder: Path) -> None:
    write(folder, BEIR)
    assert upload.import_beir(runs.oss, runs.corpus, folder) == {"documents": 2, "queries": 2, "train": 1, "test": 2}
    runs.run()
    (train,) = _judgments(runs, "train")
    assert (train["query"], train["doc_id"], train["grade"]) == ("first?", runs.rows()["d1"]["doc_id"], 1)
    judged = _judgments(runs, "test")
    assert {row["doc_id"]: row["grade"] for row in judged} == {
        schemas.doc_id(runs.corpus, "corpus.jsonl.gz", "d2"): 2,
        schemas.doc_id(runs.corpus, "corpus.jsonl.gz", "d9"): 0,
    }
    assert not runs.oss.exists(schemas.judgments_key(runs.corpus, "dev"))


def test_a_query_without_words_is_left_out_with_its_judgments(runs: Runs, folder: Path) -> None:
    write(folder, BEIR | {"queries.jsonl": '{"_id": "q1", "text": " "}\n{"_id": "q2", "text": "second?"}\n'})
    assert upload.import_beir(runs.oss, runs.corpus, folder) == {"documents": 2, "queries": 1, "train": 0, "test": 2}
    assert {row["query_id"] for row in _judgments(runs, "test")} == {"q2"}


def _judgments(runs: Runs, split: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = schemas.read_table(
        runs.oss, schemas.judgments_key(runs.corpus, split), schemas.JUDGMENTS
    ).to_pylist()
    return rows


@pytest.mark.parametrize(
    ("name", "body", "message"),
    [
        ("corpus.jsonl.gz", '{"_id": "d1", "text": "x"}\n{broken\n', r"corpus\.jsonl\.gz:2: broken JSON"),
        ("corpus.jsonl.gz", '{"_id": "d1"}\n{"_id": "d1"}\n', r":2: the _id 'd1' occurs a second time"),
        ("queries.jsonl", '{"_id": "q1"}\n', r"queries\.jsonl:1: query 'q1' has no field text"),
        ("qrels/train.tsv", "q1\td1\n", r"train\.tsv:1: 2 columns"),
        ("qrels/train.tsv", "q1\td1\t1\nq1\td2\tgood\n", r"train\.tsv:2: the score 'good'"),
        ("qrels/train.tsv", "q7\td1\t1\n", r"train\.tsv:1: query 'q7' is not in"),
        ("qrels/train.tsv", "q1\td1\t1\nq1\td1\t0\n", r"train\.tsv:2: .* a second time"),
    ],
)
def test_a_bad_line_is_named_and_nothing_is_written(
    runs: Runs, folder: Path, name: str, body: str, message: str
) -> None:
    write(folder, BEIR | {name: body})
    with pytest.raises(UsageError, match=message):
        upload.import_beir(runs.oss, runs.corpus, folder)
    assert not list(runs.oss.list(f"raw/{runs.corpus}/"))
    assert not list(runs.oss.list(f"judgments/{runs.corpus}/"))
