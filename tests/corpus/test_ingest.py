from __future__ import annotations

import gzip
import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from searchloom import schemas
from searchloom.corpus import ingest, manifest
from searchloom.corpus.document import Access
from searchloom.corpus.guard import TooManyDeletes
from searchloom.corpus.manifest import ACTIVE, DELETED
from searchloom.errors import Terminal
from tests.corpus.runs import Runs

ODD_NAMES = [
    "a b.txt", "it's \"quoted\".txt", "中文 文档.txt", "..dots..in..txt.txt", "deep/er/päth.txt", "100%.txt",
    "a+b&c=d?.txt",
]  # fmt: skip


def counts(result: dict[str, Any]) -> tuple[int, ...]:
    return tuple(result[name] for name in ("new", "changed", "unchanged", "removed", "quarantined"))


def test_good_files_are_searchable_and_each_bad_one_is_in_the_report_with_its_reason(runs: Runs) -> None:
    good = {name: f"The document called {name}" for name in ODD_NAMES}
    bad: dict[str, str | bytes] = {
        "empty.txt": b"", "blank.md": "  \n\n", "huge.txt": b"x" * 1_000_001, "latin.txt": b"abc \xff\xfe def",
        "broken.json": '{"text": ', "binary.txt": b"\x00\x01\x02", "slides.pdf": b"%PDF-1.7",
        "bomb.txt.gz": gzip.compress(bytes(5_000_000)), "deep.json": "[" * 100_000, "list.json": "[]",
    }  # fmt: skip
    runs.put(good)
    runs.put(bad)
    runs.put({"mixed.jsonl": '{"_id": "ok", "text": "fine"}\n{"_id": "half\n\n{"_id": "ok", "text": "twice"}\n'})
    result = runs.run()
    assert counts(result) == (len(good) + 1, 0, 0, 0, len(bad) + 2)
    assert runs.texts() == {**good, "ok": "fine"}
    reasons = runs.quarantined()
    assert reasons.keys() == bad.keys() | {"line 2", "line 4"}
    for name, words in (
        ("empty.txt", "empty"), ("huge.txt", "1,000,001 bytes, more than the limit of 1,000,000"),
        ("slides.pdf", "known: "),
        ("latin.txt", "not UTF-8"), ("broken.json", "column 10"), ("bomb.txt.gz", "larger than the limit"),
        ("line 4", "already that of line 1"),
    ):  # fmt: skip
        assert words in reasons[name]
    report = runs.oss.get_json(result["report"])
    assert {row["source_id"]: row["reason"] for row in report["quarantine"]} == reasons


def test_a_second_run_over_an_unchanged_corpus_reads_no_file_and_commits_nothing(runs: Runs) -> None:
    runs.put({"a.txt": "one", "bad.txt": b"\xff\xff", "c.jsonl": '{"_id": "r", "text": "t"}'})
    assert runs.run()["seq"] == 1
    planned = runs.plan()
    assert planned["batches"] == 0
    assert planned["unchanged"] == 3
    result = ingest.commit(runs.oss, plan=planned["plan"])
    assert result["seq"] is None
    assert counts(result) == (0, 0, 2, 0, 0)
    assert runs.manifest().seq == 1


def test_changed_and_deleted_documents_leave_nothing_behind(runs: Runs) -> None:
    long = " ".join(f"old{number}" for number in range(2000))
    runs.put({"shrinks.txt": long, "goes.txt": "gone soon", "stays.txt": "still here"})
    runs.run()
    before = runs.rows()
    assert before["shrinks.txt"]["chunk_count"] > 3
    runs.put({"shrinks.txt": "short now"})
    runs.remove("goes.txt")
    assert counts(runs.run()) == (0, 1, 1, 1, 0)
    assert runs.texts() == {"shrinks.txt": "short now", "stays.txt": "still here"}
    after = runs.rows()
    assert (after["shrinks.txt"]["chunk_count"], after["shrinks.txt"]["seq"]) == (1, 2)
    assert after["shrinks.txt"]["chunk_high"] == before["shrinks.txt"]["chunk_count"]
    assert (after["goes.txt"]["state"], after["goes.txt"]["seq"], after["goes.txt"]["chunk_high"]) == (DELETED, 2, 1)
    assert after["stays.txt"] == before["stays.txt"]
    assert {row["source_id"] for row in runs.chunks(since_seq=1)} == {"shrinks.txt"}
    runs.put({"goes.txt": "back again"})
    assert counts(runs.run()) == (1, 0, 2, 0, 0)
    assert runs.rows()["goes.txt"]["state"] == ACTIVE


def test_records_of_one_file_are_documents_of_their_own(runs: Runs) -> None:
    records = [{"_id": f"r{number}", "text": f"record {number}"} for number in range(5)]
    runs.put_records("all.jsonl", records)
    runs.run()
    before = runs.rows()
    records[1]["text"] = "another text"
    runs.put_records("all.jsonl", [*records[:4], {"_id": "new", "text": "joined"}])
    assert counts(runs.run()) == (1, 1, 3, 1, 0)
    after = runs.rows()
    assert after["r0"]["seq"] == before["r0"]["seq"] == 1
    assert after["r0"]["etag"] != before["r0"]["etag"]
    assert [after[name]["seq"] for name in ("r1", "new", "r4")] == [2, 2, 2]
    assert runs.plan()["unchanged"] == 1


def test_two_files_with_the_same_text_are_two_documents_with_one_vector(runs: Runs) -> None:
    runs.put_records(
        "a.jsonl", [{"_id": "x", "title": "T", "text": "same"}, {"_id": "y", "title": "T", "text": "same"}]
    )
    runs.run()
    chunks = runs.chunks()
    assert len({chunk["doc_id"] for chunk in chunks}) == 2
    assert len({chunk["content_sha256"] for chunk in chunks}) == 1
    assert chunks[0]["content_sha256"] == schemas.content_sha256("T\nsame")


def test_access_comes_from_the_object_or_from_the_record_and_counts_as_a_change(runs: Runs) -> None:
    restricted = Access("äcme", ("board, inner", "hr")).to_metadata()
    runs.put(
        {"a.txt": "text", "r.jsonl": '{"_id": "own", "text": "t", "tenant": "other", "groups": ["g"]}'}, **restricted
    )
    runs.run()
    rows = runs.rows()
    assert (rows["a.txt"]["tenant"], rows["a.txt"]["groups"]) == ("äcme", ["board, inner", "hr"])
    assert (rows["own"]["tenant"], rows["own"]["groups"]) == ("other", ["g"])
    first = runs.modified("a.txt")
    while runs.modified("a.txt") == first:  # the same bytes: only a later time shows that the metadata changed
        runs.put({"a.txt": "text"})
    assert counts(runs.run()) == (0, 1, 1, 0, 0)
    assert runs.rows()["a.txt"]["groups"] == [schemas.EVERYONE]


def test_too_many_deletes_stop_the_run_before_anything_happens(runs: Runs) -> None:
    runs.put({f"{number}.txt": f"text {number}" for number in range(40)})
    runs.run()
    runs.remove(*(f"{number}.txt" for number in range(25)))
    with pytest.raises(TooManyDeletes, match=r"25 of the 40 documents .*allow_deletes"):
        runs.plan()
    assert runs.run(allow_deletes=True)["removed"] == 25
    runs.remove(*(f"{number}.txt" for number in range(25, 40)))
    with pytest.raises(TooManyDeletes, match=r"listing .* is empty, but 15 documents"):
        runs.plan()
    assert runs.manifest().active().num_rows == 15


def test_a_file_that_loses_most_of_its_records_is_stopped_at_the_commit(runs: Runs) -> None:
    records = [{"_id": str(number), "text": f"text {number}"} for number in range(50)]
    runs.put_records("a.jsonl", records)
    runs.run()
    runs.put_records("a.jsonl", records[:2])
    planned = runs.plan()
    runs.parse(planned)
    with pytest.raises(TooManyDeletes, match="48 of the 50"):
        ingest.commit(runs.oss, plan=planned["plan"])
    assert runs.manifest().seq == 1


def test_a_keyed_run_leaves_later_files_to_a_later_run_and_a_missed_day_heals(runs: Runs) -> None:
    runs.put({"a.txt": "text"})
    now = datetime.now(UTC)
    assert runs.plan(modified_before=now - timedelta(days=1))["later"] == 1
    assert runs.run(modified_before=now + timedelta(days=3), partition="2026-11-22")["new"] == 1
    assert runs.plan(modified_before=now + timedelta(days=3), reprocess=True)["again"] == 0
    assert runs.plan(modified_before=now + timedelta(hours=3), reprocess=True)["again"] == 1
    result = runs.run(reprocess=True)
    assert (result["seq"], result["unchanged"]) == (None, 1)
    assert [row["seq"] for row in runs.chunks(partition="2026-11-22")] == [1]
    assert runs.chunks(partition="2026-11-20") == []


def test_every_step_may_be_repeated_and_a_crash_between_steps_changes_nothing(runs: Runs) -> None:
    runs.put({"a.txt": "first"})
    abandoned = runs.plan(run_id="same")
    runs.parse(abandoned)
    assert runs.chunks() == []
    runs.put({"a.txt": "second"})
    planned = runs.plan(run_id="same")
    with pytest.raises(Terminal, match="was not parsed"):
        ingest.commit(runs.oss, plan=planned["plan"])
    assert runs.parse(planned) == runs.parse(planned)
    first = ingest.commit(runs.oss, plan=planned["plan"])
    assert ingest.commit(runs.oss, plan=planned["plan"]) == first
    assert runs.texts() == {"a.txt": "second"}
    assert runs.manifest().seq == 1


def test_a_commit_whose_pointer_was_never_written_does_not_count(runs: Runs) -> None:
    runs.put({"a.txt": "text"})
    planned = runs.plan()
    runs.parse(planned)
    ingest.commit(runs.oss, plan=planned["plan"])
    runs.oss.delete(f"manifest/{runs.corpus}/CURRENT")  # what a kill right before the last write leaves
    held = {"owner": planned["plan"], "nonce": "dead", "expires": (datetime.now(UTC) + timedelta(hours=1)).isoformat()}
    runs.oss.put_json(manifest.lease_key(runs.corpus), held)
    assert runs.manifest().seq == 0
    assert ingest.commit(runs.oss, plan=planned["plan"])["seq"] == 1  # the same run takes its own lease again
    assert runs.texts() == {"a.txt": "text"}


def test_runs_that_commit_at_the_same_time_lose_nothing_and_the_number_only_grows(runs: Runs) -> None:
    planned = []
    for number in range(5):
        runs.put({f"{number}.txt": f"text {number}"})
        planned.append(runs.plan())
        runs.parse(planned[-1])
    with ThreadPoolExecutor(5) as pool:
        results = list(pool.map(lambda one: ingest.commit(runs.oss, plan=one["plan"]), planned))
    # each plan lists all files before it: later plans parsed them as well, and the first to commit keeps them
    numbers = sorted(result["seq"] for result in results if result["seq"])
    assert numbers == list(range(1, len(numbers) + 1))
    assert sum(result["new"] for result in results) == 5
    assert runs.texts() == {f"{number}.txt": f"text {number}" for number in range(5)}
    assert len(runs.chunks()) == 5
    assert all(chunk["seq"] == runs.rows()[chunk["source_id"]]["seq"] for chunk in runs.chunks())
    assert runs.plan()["unchanged"] == 5


def test_a_file_that_disappears_while_it_is_parsed_is_removed(runs: Runs) -> None:
    runs.put({"a.txt": "one", "b.txt": "two"})
    runs.run()
    runs.put({"a.txt": "changed"})
    planned = runs.plan()
    runs.remove("a.txt")
    runs.parse(planned)
    assert ingest.commit(runs.oss, plan=planned["plan"])["removed"] == 1
    assert runs.texts() == {"b.txt": "two"}


def test_languages_are_named_and_short_records_follow_the_others_of_their_file(runs: Runs) -> None:
    german = "Die Grenzschicht an einer ebenen Platte wird bei hohen Geschwindigkeiten untersucht und beschrieben. " * 3
    runs.put_records(
        "de.jsonl", [{"_id": f"d{number}", "text": german} for number in range(3)] + [{"_id": "s", "text": "Tee"}]
    )
    runs.put({"zh.txt": "战国无双是由光荣开发的系列", "ja.txt": "これは日本語のテキストです", "short.txt": "Tea"})
    runs.run()
    languages = {name: row["language"] for name, row in runs.rows().items()}
    assert languages == {
        "d0": "de",
        "d1": "de",
        "d2": "de",
        "s": "de",
        "zh.txt": "zh",
        "ja.txt": "ja",
        "short.txt": "en",
    }


def test_a_large_file_of_records_is_streamed_and_a_cut_one_keeps_what_could_be_read(runs: Runs) -> None:
    lines = "".join(
        json.dumps({"_id": str(number), "text": f"text {number} " + "x" * 3000}) + "\n" for number in range(3000)
    )
    runs.put({"large.jsonl": lines, "cut.jsonl.gz": gzip.compress(lines[:200_000].encode())[:-20]})
    result = runs.run()
    assert result["new"] >= 3000
    assert any("gzip data is damaged" in reason or "broken JSON" in reason for reason in runs.quarantined().values())
