"""Phrases, filters, facets, spelling and suggestions: on both engines, and never past the caller's rights."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from fastapi.testclient import TestClient

from searchloom.cloud.oss import Oss
from searchloom.engines.connect import loader as connect
from searchloom.engines.connect import wire
from searchloom.engines.dialects import dialect
from searchloom.engines.interface import GenerationMeta
from searchloom.settings import ENGINES, EngineName, Settings
from tests.query import collection
from tests.query.collection import CORPUS
from tests.query.conftest import publish, running
from tests.query.test_search import MODES, Bearer, names, search
from tests.query.tiny_embedding import DIMS, VERSION

SECTIONS = "sections"


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> EngineName:
    """Each engine in turn."""
    name: EngineName = request.param
    return name


@pytest.mark.parametrize("mode", MODES)
def test_quoted_words_stand_in_every_result_as_they_were_quoted(
    client: TestClient, mode: str, engine: EngineName
) -> None:
    loose = search(client, "inner join tables", mode=mode, engine=engine, k=100)
    strict = search(client, '"inner join" tables', mode=mode, engine=engine, k=100)
    assert {"merge", "concat"} <= set(names(loose))
    assert names(strict) == ["concat"]
    assert strict["query"]["phrases"] == ["inner join"]
    assert names(search(client, '"join inner"', mode=mode, engine=engine)) == []
    assert names(search(client, '"合并两个表格"', mode=mode, engine=engine)) == ["zh"]
    assert names(search(client, '"of the" tables', mode=mode, engine=engine, k=100))  # nothing but stop words


@pytest.mark.parametrize("mode", MODES)
def test_filters_narrow_what_is_found(client: TestClient, mode: str, engine: EngineName) -> None:
    def found(**filters: Any) -> set[str]:
        return set(names(search(client, "table 表格", mode=mode, engine=engine, k=100, filters=filters)))

    every = found()
    assert "zh" in every
    assert found(language=["zh"]) == {"zh"}
    assert found(language=["en"]) == every - {"zh"}
    assert found(language=["zh", "en"]) == every
    assert found(mime=["text/markdown"]) == every
    assert found(mime=["application/pdf"]) == set()
    assert found(after="2023-11-14", before="2023-11-15") == every  # the day of all of them
    assert found(after="2023-11-15") == set()
    assert found(before="2023-11-14") == set()


def test_filters_open_nothing(client: TestClient, bearer: Bearer, engine: EngineName) -> None:
    filters = {"language": ["en"], "mime": ["text/markdown"], "section": [""]}
    for mode in MODES:
        answer = search(client, "secret table", mode=mode, engine=engine, k=100, filters=filters, facets=["language"])
        assert not {"plan", "acme", "acme-hr"} & set(names(answer))
    nobody = search(client, "table", headers=bearer("nobody"), engine=engine, facets=["language", "mime"])
    assert nobody["facets"] == {"language": [], "mime": []}


@pytest.mark.parametrize("mode", MODES)
def test_facets_count_the_documents_that_can_be_paged_through(
    client: TestClient, mode: str, engine: EngineName
) -> None:
    answer = search(client, "table 表格", mode=mode, engine=engine, k=1, facets=["language", "mime"])
    found = search(client, "table 表格", mode=mode, engine=engine, k=100)["results"]
    by_language = {entry["value"]: entry["count"] for entry in answer["facets"]["language"]}
    assert by_language == {name: sum(row["language"] == name for row in found) for name in ("en", "zh")}
    assert answer["facets"]["mime"] == [{"value": "text/markdown", "count": len(found)}]
    assert search(client, "table", mode=mode, engine=engine)["facets"] is None


@contextmanager
def with_sections(served: Settings, engine: EngineName, *, older: bool) -> Iterator[TestClient]:
    """The collection in one engine, every section of one name; ``older``: as an index was made before."""
    index = f"hs-{uuid.uuid4().hex[:8]}"
    side, raw = connect(served, engine), wire(engine, served.engine(engine))
    try:
        side.create(index, GenerationMeta(CORPUS, VERSION, DIMS))
        if older:
            mapping = raw.call("GET", f"/{index}/_mapping")[index]["mappings"]
            del mapping["properties"]["section"]["fields"]["raw"]
            side.drop(index)
            body = {"settings": {"index": dialect(engine).index_settings()}, "mappings": mapping}
            raw.call("PUT", f"/{index}", body)
        assert {one.status for one in side.write(index, collection.writes(mark="First steps"))} == {"written"}
        side.refresh(index)
        publish(served, index, corpus=SECTIONS, generation={engine: index})
        with running(served) as client:
            yield client
    finally:
        Oss(served.oss).delete(f"releases/{SECTIONS}/CURRENT")
        side.drop(index)
        side.close()
        raw.close()


@pytest.mark.parametrize("older", [False, True])
def test_sections_are_filtered_also_in_an_index_made_before_they_could_be(
    served: Settings, engine: EngineName, older: bool
) -> None:
    with with_sections(served, engine, older=older) as client:
        every = search(client, "table", corpus=SECTIONS, k=100)
        kept = search(client, "table", corpus=SECTIONS, k=100, filters={"section": ["First steps"]}, facets=["section"])
        assert names(kept) == names(every)
        assert kept["facets"]["section"] == ([] if older else [{"value": "First steps", "count": len(names(every))}])
        assert names(search(client, "table", corpus=SECTIONS, filters={"section": ["Other steps"]})) == []


@pytest.mark.parametrize("mode", ["bm25", "hybrid"])
def test_misspelt_words_are_corrected_and_said_so(client: TestClient, mode: str, engine: EngineName) -> None:
    answer = search(client, "Concatenat the colums of tables", mode=mode, engine=engine)
    assert answer["query"]["corrected"] == "concatenate the columns of tables"
    assert answer["query"]["text"] == "Concatenat the colums of tables"
    right = search(client, "concatenate the columns of tables", mode=mode, engine=engine)
    assert [(one["doc_id"], one["score"]) for one in answer["results"]] == [
        (one["doc_id"], one["score"]) for one in right["results"]
    ]
    assert "corrected" not in right["query"] or right["query"]["corrected"] is None


def test_what_is_meant_letter_by_letter_is_never_corrected(client: TestClient, engine: EngineName) -> None:
    for query in ("colums_of", "DataFrame.merg", '"colums"', "COLUMS", "colum2s", "合併", "table"):
        answer = search(client, f"{query} table", engine=engine)
        assert answer["query"]["corrected"] is None, query
    as_typed = search(client, "colums", engine=engine, mode="bm25", correct=False)
    assert (as_typed["query"]["corrected"], as_typed["results"]) == (None, [])


def test_spelling_tells_nothing_of_what_the_caller_may_not_see(
    client: TestClient, bearer: Bearer, engine: EngineName
) -> None:
    for who, corrected in ((("default",), None), (("default", "finance"), "salary"), (("acme", "finance"), None)):
        answer = search(client, "salery", headers=bearer(*who), engine=engine, mode="bm25")
        assert answer["query"]["corrected"] == corrected, who


def suggestions(client: TestClient, prefix: str, **options: Any) -> list[str]:
    headers = options.pop("headers", None)
    response = client.get("/v1/suggest", params={"corpus": CORPUS, "prefix": prefix} | options, headers=headers)
    assert response.status_code == 200, response.text
    return [entry["text"] for entry in response.json()["suggestions"]]


def test_suggestions_are_titles_that_begin_so(served: Settings, engine: EngineName) -> None:
    own = served.model_copy(update={"query": served.query.model_copy(update={"engine": engine})})
    with running(own) as client:
        assert suggestions(client, "dataf") == ["DataFrame.merge"]
        assert suggestions(client, "conc") == ["concat"]
        assert suggestions(client, "合并") == ["合并表格"]
        assert suggestions(client, "zzz") == []
        for prefix in ("(", '"', "\x00", "*", "a" * 2000):
            suggestions(client, prefix)
        assert client.get("/v1/suggest", params={"corpus": CORPUS, "prefix": ""}).status_code == 422


def test_suggestions_stay_within_the_callers_rights(client: TestClient, bearer: Bearer) -> None:
    seen = {
        who: set(suggestions(client, "acme", headers=bearer(*who)))
        | set(suggestions(client, "sal", headers=bearer(*who)))
        for who in (("default",), ("default", "finance"), ("acme",), ("acme", "hr"), ("nobody", "hr", "finance"))
    }
    assert seen == {
        ("default",): set(),
        ("default", "finance"): {"Salary plan"},
        ("acme",): {"Acme table"},
        ("acme", "hr"): {"Acme table", "Acme people"},
        ("nobody", "hr", "finance"): set(),
    }
