from __future__ import annotations

from searchloom.orchestration.report import sentences


def test_the_summary_tells_in_words_what_became_of_documents_vectors_and_engines() -> None:
    counts = {"written": 4, "deleted": 1, "current": 0, "refused": 0, "waiting": 0}
    runs = [
        {"dag": dag, "run": "r", "partition": "docs|all", "state": "success", "seconds": 2.0}
        for dag in ("ingest_corpus", "embed_corpus", "load_search")
    ]
    lines = sentences(
        {
            "state": "success",
            "runs": runs,
            "documents": {"new": 3, "changed": 0, "unchanged": 9, "removed": 1, "quarantined": 0},
            "chunks": 4,
            "vectors": {"embedded": 4, "present": 20},
            "engines": {"opensearch": counts},
            "candidates": [
                {"verdict": "better", "summary": "nDCG@10 rises by 0.03.", "promoted": True, "release": 2},
                {"verdict": "worse", "summary": "nDCG@10 falls by 0.2.", "promoted": False, "release": 2},
            ],
        }
    )
    assert lines == [
        "Documents: 3 new, 0 changed, 9 unchanged, 1 removed, 0 quarantined; 4 chunks written",
        "Vectors: 4 embedded, 20 present",
        "opensearch: 4 written, 1 deleted, 0 current, 0 refused, 0 waiting",
        "Candidate: better. nDCG@10 rises by 0.03. Release 2 is the live release now",
        "Candidate: worse. nDCG@10 falls by 0.2. Release 2 serves as before",
        "3 runs, 6 s of run time, success",
    ]


def test_what_failed_is_not_summed_up_as_if_it_had_done_nothing() -> None:
    failed = {"dag": "ingest_corpus", "run": "r", "partition": "", "state": "failed", "seconds": 1.0}
    nothing = {"documents": {}, "chunks": 0, "vectors": {}, "engines": {}, "candidates": []}
    lines = sentences({"state": "failed", "runs": [failed], **nothing})
    assert lines == ["1 runs, 1 s of run time, failed"]
