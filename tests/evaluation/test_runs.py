from __future__ import annotations

from pathlib import Path

import ir_measures
import pytest

from searchloom.evaluation.runs import Found, run_queries, write_trec_run


def test_a_trec_run_reads_back_in_the_order_that_was_served(tmp_path: Path):
    answer = [Found("1", "doc one", 0.5), Found("2", "z", 0.5), Found("3", "a", 0.5)]
    write_trec_run(tmp_path / "x.run", {"q 1": answer}, tag="t")
    rows = sorted(ir_measures.read_trec_run(str(tmp_path / "x.run")), key=lambda row: -row.score)
    assert [row.doc_id for row in rows] == ["doc_one", "z", "a"]
    assert {row.query_id for row in rows} == {"q_1"}


def test_every_query_is_asked_once_and_answers_stay_with_their_query():
    done = []
    answers = run_queries(
        {str(i): f"query {i}" for i in range(50)},
        lambda query: [Found(query, query, 1.0)],
        done=lambda: done.append(1),
    )
    assert len(done) == 50
    assert all(answers[str(i)][0].doc_id == f"query {i}" for i in range(50))


def test_a_failing_query_ends_the_run():
    def search(_: str) -> list[Found]:
        raise RuntimeError("down")

    with pytest.raises(RuntimeError, match="down"):
        run_queries({"1": "x"}, search)
