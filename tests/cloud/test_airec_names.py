from __future__ import annotations

from hypothesis import assume, example, given
from hypothesis import strategies as st

from localcloud.airec.filters import condition_of
from searchloom.cloud.airec_names import (
    MAX_USER_ID,
    doc_id,
    item_id,
    scope,
    scope_tags,
    tenant_of,
    trace_fields,
    trace_of,
    user_key,
)
from searchloom.cloud.airec_rows import Recommendation, Row, flaw, recommend_query
from searchloom.identity import doc_id as document

names = st.text(min_size=1, max_size=256)


@given(st.text(min_size=1).filter(lambda text: len(text.encode()) <= 30))
@example("X0")
@example("a" * 30)
@example("MED-10")
def test_a_documents_id_comes_back_from_airec_and_is_legal_there(name: str) -> None:
    item = item_id(name)
    assert doc_id(item) == name
    assert flaw("item", Row({"item_id": item, "item_type": "article"})) == ""


@given(st.text(), st.text())
def test_a_documents_own_id_is_kept_as_it_is(corpus: str, key: str) -> None:
    assert item_id(document(corpus, key)) == document(corpus, key)


@given(st.text())
def test_an_id_that_was_not_made_here_stands_for_itself_or_a_document(item: str) -> None:
    assert doc_id(item) == item or item_id(doc_id(item))


@given(names, names, names, names)
@example("a/b", "c", "a", "b/c")
@example("a%2Fb", "c", "a/b", "c")
def test_two_people_are_never_the_same_one(tenant: str, user: str, other_tenant: str, other: str) -> None:
    assume((tenant, user) != (other_tenant, other))
    key = user_key(tenant, user)
    assert key != user_key(other_tenant, other)
    assert len(key) <= MAX_USER_ID
    assert tenant_of(key) in {tenant, ""}


@given(st.text(min_size=1))
def test_airecs_trace_comes_apart_as_it_was_put_together(info: str) -> None:
    trace = trace_of(Recommendation("d", "article", 1.0, 1, "ali", info, ""))
    assert trace_fields(trace) == {"trace_id": "ali", "trace_info": info}


@given(st.none() | st.text().filter(lambda text: not text.startswith("ali:")))
@example("ali")
@example("alien:x")
def test_any_other_trace_is_selfhold(trace: str | None) -> None:
    assert trace_fields(trace) == {"trace_id": "selfhold"}


@given(names, names)
@example("a,tenant-b", "b")
def test_the_scope_of_a_tenant_finds_its_items_and_no_others(tenant: str, other: str) -> None:
    sent = recommend_query(user_id="u", scene_id="s", count=1, filters=scope(tenant, "docs"))["filter"]
    accepts = condition_of(sent)
    assert accepts({"tags": ",".join([*scope_tags(tenant, "docs"), "lang-en"])})
    assert not accepts({"tags": ",".join(scope_tags(tenant, "other"))})
    assert tenant == other or not accepts({"tags": ",".join(scope_tags(other, "docs"))})
