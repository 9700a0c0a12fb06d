"""What comes back from a search: filters, passages, scores, and the same on both engines."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from searchloom.engines.connect import loader as connect
from searchloom.engines.connect import wire as wire_to
from searchloom.engines.interface import Access, GenerationMeta, Hit, Loader, Searcher
from searchloom.engines.lexical import MAX_TERMS, highlighting, lexical_query
from searchloom.engines.reading import searcher
from searchloom.errors import ServiceUnavailable, UsageError
from searchloom.settings import ENGINES, EngineName, Settings
from tests.engines.chunks import DIMS, delete, identity, index

ANYONE = Access("default")
Fill = Callable[..., None]


@pytest.fixture
async def searching(settings: Settings, engine: EngineName) -> AsyncIterator[Searcher]:
    connected = searcher(settings, engine)
    yield connected
    await connected.close()


@pytest.fixture
def fill(loader: Loader, generation: str) -> Fill:
    def write(*writes: Any) -> None:
        assert {outcome.status for outcome in loader.write(generation, writes)} <= {"written", "deleted"}
        loader.refresh(generation)

    return write


async def test_the_title_counts_on_top_of_the_text(searching: Searcher, generation: str, fill: Fill) -> None:
    fill(index("text only", text="a wing in a slipstream"), index("both", title="Wings", text="a wing in a slipstream"))
    hits = await searching.bm25(generation, "wings", ANYONE, size=10, timeout_s=10)
    assert [hit.source["source_id"] for hit in hits] == ["both", "text only"]
    assert "embedding" not in hits[0].source


async def test_chinese_is_found_by_bigrams(searching: Searcher, generation: str, fill: Fill) -> None:
    fill(index("games", text="《战国无双3》是由光荣和ω-force开发的"), index("other", text="国无战双"))
    hits = await searching.bm25(generation, "战国无双是谁开发的?", ANYONE, size=10, timeout_s=10)
    assert hits[0].source["source_id"] == "games"
    assert "<em>战国</em>" in hits[0].highlight or "<em>战国无双" in hits[0].highlight


async def test_only_the_tenants_documents_and_the_users_groups_are_seen(
    searching: Searcher, generation: str, fill: Fill
) -> None:
    fill(
        index("public", text="salary"),
        index("hr only", text="salary", groups=["hr"]),
        index("board only", text="salary", groups=["board"]),
        index("strangers", text="salary", tenant="other"),
    )
    for access, seen in [
        (ANYONE, {"public"}),
        (Access("default", ("hr",)), {"public", "hr only"}),
        (Access("other", ("hr", "board")), {"strangers"}),
        (Access("nobody"), set()),
    ]:
        lexical = await searching.bm25(generation, "salary", access, size=10, timeout_s=10)
        nearest = await searching.vector(generation, [1.0, 0.5, 0.25, 0.125], access, size=10, timeout_s=10)
        assert {hit.source["source_id"] for hit in lexical} == seen
        assert {hit.source["source_id"] for hit in nearest} == seen


async def test_an_empty_tenant_is_refused(searching: Searcher, generation: str) -> None:
    with pytest.raises(UsageError, match="tenant"):
        await searching.bm25(generation, "x", Access(""), size=10, timeout_s=10)
    with pytest.raises(UsageError, match="tenant"):
        await searching.vector(generation, [1.0] * DIMS, Access(""), size=10, timeout_s=10)


async def test_the_passage_shows_the_words_and_escapes_the_rest(
    searching: Searcher, generation: str, fill: Fill
) -> None:
    filler = "Nothing of interest stands here, for many a word. " * 20
    fill(index("a", text=f"{filler}Here <script>alert(1)</script> comes the needle & thread. {filler}"))
    (hit,) = await searching.bm25(generation, "needles", ANYONE, size=10, timeout_s=10)
    assert "&lt;script&gt;" in hit.highlight
    assert "<em>needle</em> &amp; thread" in hit.highlight
    assert len(hit.highlight) < 400


async def test_without_a_match_in_the_text_the_passage_is_its_head(
    searching: Searcher, generation: str, fill: Fill
) -> None:
    fill(index("a", title="Needles", text="<b>Head</b> of the text. " + "More words follow. " * 50))
    (by_title,) = await searching.bm25(generation, "needle", ANYONE, size=10, timeout_s=10)
    (by_vector,) = await searching.vector(generation, [1.0] * DIMS, ANYONE, size=10, timeout_s=10)
    assert by_title.highlight == by_vector.highlight
    assert by_title.highlight.startswith("&lt;b&gt;Head&lt;/b&gt; of the text. More")
    assert 200 < len(by_title.highlight) < 300


async def test_passages_can_be_had_for_the_page_alone(searching: Searcher, generation: str, fill: Fill) -> None:
    fill(
        index("a", text="the needle & the thread"),
        index("b", text="a <b>haystack</b>"),
        index("c", text="a needle of others", tenant="other"),
    )
    chunks = [identity("a"), identity("b"), identity("c")]
    shown = await searching.show(generation, "needles", chunks, ANYONE, highlight=True, timeout_s=10)
    passages = {chunk: hit.highlight for chunk, hit in shown.items()}
    assert passages == {
        identity("a"): "the <em>needle</em> &amp; the thread",
        identity("b"): "a &lt;b&gt;haystack&lt;/b&gt;",
    }
    (hit,) = await searching.bm25(generation, "needles", ANYONE, size=10, timeout_s=10, highlight=False)
    assert hit.highlight == "the needle &amp; the thread"
    assert await searching.show(generation, "needles", [], ANYONE, highlight=True, timeout_s=10) == {}
    assert len(await searching.show(generation, "", chunks, ANYONE, highlight=True, timeout_s=10)) == 2


async def test_vector_scores_are_cosines(searching: Searcher, generation: str, fill: Fill) -> None:
    fill(
        index("same", embedding=[2.0, 0.0, 0.0, 0.0]),
        index("half", embedding=[1.0, math.sqrt(3), 0.0, 0.0]),
        index("across", embedding=[0.0, 0.0, 1.0, 0.0]),
        index("against", embedding=[-1.0, 0.0, 0.0, 0.0]),
    )
    hits = await searching.vector(generation, [3.0, 0.0, 0.0, 0.0], ANYONE, size=4, timeout_s=10)
    assert [hit.source["source_id"] for hit in hits] == ["same", "half", "across", "against"]
    assert [hit.score for hit in hits] == pytest.approx([1.0, 0.5, 0.0, -1.0], abs=1e-5)


async def test_a_page_is_the_head_of_a_larger_page(searching: Searcher, generation: str, fill: Fill) -> None:
    fill(*(index(f"d{n}", ordinal=o, embedding=[1.0, n + 1, o, 1.0]) for n in range(30) for o in range(2)))
    for size in (1, 7, 20):
        few = await searching.bm25(generation, "words", ANYONE, size=size, timeout_s=10)
        many = await searching.bm25(generation, "words", ANYONE, size=60, timeout_s=10)
        assert few == many[:size]
        few = await searching.vector(generation, [1.0, 9.0, 1.0, 1.0], ANYONE, size=size, timeout_s=10)
        many = await searching.vector(generation, [1.0, 9.0, 1.0, 1.0], ANYONE, size=60, timeout_s=10)
        assert few == many[:size]


async def test_a_query_without_words_finds_nothing(searching: Searcher, generation: str, fill: Fill) -> None:
    fill(index("a"))
    for query in ("", "   ", "?!", "the of and", "\x00"):
        assert await searching.bm25(generation, query, ANYONE, size=10, timeout_s=10) == []


async def test_an_engine_that_is_away_is_unavailable(engine: EngineName, settings: Settings) -> None:
    there = settings.engine(engine).model_copy(update={"url": "http://127.0.0.1:9"})
    away = searcher(settings.model_copy(update={engine: there}), engine)
    assert not await away.ping()
    with pytest.raises(ServiceUnavailable):
        await away.bm25("any", "words", ANYONE, size=10, timeout_s=1)
    await away.close()


async def test_a_missing_index_is_named(searching: Searcher, generation: str) -> None:
    assert await searching.ping()
    with pytest.raises(UsageError, match=f"no index '{generation}-missing'"):
        await searching.bm25(f"{generation}-missing", "words", ANYONE, size=10, timeout_s=10)


@pytest.fixture
def everywhere(settings: Settings, request: pytest.FixtureRequest) -> Iterator[str]:
    """An index of the same chunks in both engines."""
    name = f"hd-both-{abs(hash(request.node.name)) % 10**8}"
    words = ["wing", "flow", "heat", "shock", "layer", "plate", "jet", "战国无双", "データ"]
    writes = [
        index(
            f"d{n}",
            seq=n + 1,
            title=words[n % 9],
            text=" ".join(words[(n * k) % 9] for k in range(1, 2 + n % 17)),
            embedding=[math.sin(n * k + k) for k in range(1, 1 + DIMS)],
        )
        for n in range(300)
    ]
    loaders = [connect(settings, engine) for engine in ENGINES]
    for loading in loaders:
        loading.create(name, GenerationMeta("tests", "model-1", DIMS))
        list(loading.write(name, [*writes, *(delete(f"d{n}", seq=n + 2) for n in range(0, 300, 10))]))
        loading.refresh(name)
    yield name
    for loading in loaders:
        loading.drop(name)
        loading.close()


async def test_both_engines_give_the_same_chunks_scores_and_passages(settings: Settings, everywhere: str) -> None:
    found: dict[EngineName, list[list[Hit]]] = {}
    for engine in ENGINES:
        connected = searcher(settings, engine)
        found[engine] = [
            await connected.bm25(everywhere, query, ANYONE, size=50, timeout_s=10)
            for query in ("wing", "heat flow", "战国无双 wing", "データ", "shock layer on a flat plate")
        ]
        found[engine] += [
            await connected.vector(everywhere, [math.cos(n + k) for k in range(DIMS)], ANYONE, size=50, timeout_s=10)
            for n in range(5)
        ]
        await connected.close()
    for one, other in zip(*found.values(), strict=True):
        assert [hit.chunk_id for hit in one] == [hit.chunk_id for hit in other]
        assert [hit.score for hit in one] == pytest.approx([hit.score for hit in other], rel=1e-5, abs=1e-6)
        assert [hit.highlight for hit in one] == [hit.highlight for hit in other]


_NASTY = st.one_of(
    st.text(),
    st.text(alphabet=st.characters(exclude_categories=())),  # lone surrogates and unassigned characters too
    st.sampled_from(['"', "\\", "AND OR NOT ( ) [ ] { } ^ ~ * ? : /", "a" * 100_000, "\x00", "\ud800", "👩‍👩‍👧" * 400]),
)
_LONG = st.builds(
    lambda alphabet, count, between: between.join(alphabet[n % len(alphabet)] + str(n) for n in range(count)),
    st.text(alphabet=st.characters(exclude_categories=("Cs",)), min_size=1, max_size=30),
    st.integers(MAX_TERMS - 2, 3000),
    st.sampled_from([" ", "", ".", "²", "ไ", "-", "ア", "_", "'", "،"]),
)


@given(query=st.one_of(_NASTY, _LONG))
@hypothesis_settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_query_is_too_long_or_too_odd(settings: Settings, everywhere: str, query: str) -> None:
    for engine in ENGINES:
        wire = wire_to(engine, settings.engine(engine))
        body = {"query": lexical_query(query, ANYONE), "highlight": highlighting()}
        assert "hits" in wire.call("POST", f"/{everywhere}/_search", body)
        wire.close()
