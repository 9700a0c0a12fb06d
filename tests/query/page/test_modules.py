"""The page's own functions, called in the browser: what comes in as text stays text."""

from __future__ import annotations

import html
import json
from typing import Any

import httpx
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.query.page.conftest import Visit

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
ONCE = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def call(visitor: Visit, module: str, function: str, *arguments: Any) -> Any:
    """Call a function of one of the page's modules in the browser."""
    if visitor.page.url == "about:blank":
        visitor.open()
    return visitor.page.evaluate(
        """async ([module, name, values]) => {
            const base = document.querySelector("script[type=module]").src;
            const value = (await import(new URL(module, base)))[name](...values);
            return value instanceof Set ? [...value] : value;
        }""",
        [module, function, list(arguments)],
    )


@ONCE
@given(TEXT, TEXT, TEXT)
def test_a_passage_is_taken_apart_into_the_text_it_was(visitor: Visit, before: str, marked: str, after: str) -> None:
    passage = f"{html.escape(before)}<em>{html.escape(marked)}</em>{html.escape(after)}"
    found = call(visitor, "passage.js", "pieces", passage)
    assert "".join(piece["text"] for piece in found) == before + marked + after
    assert [piece["text"] for piece in found if piece["marked"]] == [marked]


def test_markup_in_a_passage_stays_text(visitor: Visit) -> None:
    found = call(visitor, "passage.js", "pieces", "<b>x</b> &lt;script&gt; &#x2F;&#39;&unknown; <em>a</em>")
    assert [piece["text"] for piece in found] == ["<b>x</b> <script> /'&unknown; ", "a"]


@ONCE
@given(st.text(st.sampled_from("ab \U0001f600[12]."), max_size=40), st.data())
def test_an_answer_loses_no_letter(visitor: Visit, text: str, data: st.DataObject) -> None:
    ends = sorted(data.draw(st.lists(st.integers(0, len(text)), min_size=2, max_size=2)))
    done = {"citations": [], "unsupported": [{"start": ends[0], "end": ends[1]}]}
    found = call(visitor, "answer.js", "pieces", text, [], done)
    assert "".join(piece["text"] for piece in found) == text
    assert "".join(piece["text"] for piece in found if piece.get("unsupported")) == text[ends[0] : ends[1]]


def test_citations_are_found_doubtful_ones_marked_unknown_ones_left_as_text(visitor: Visit) -> None:
    text = "\U0001f600 One [1]. Two [2][9]."
    done = {
        "citations": [
            {"number": 1, "start": text.index("[1]"), "end": text.index("[1]") + 3, "supported": True},
            {"number": 2, "start": text.index("[2]"), "end": text.index("[2]") + 3, "supported": False},
        ],
        "unsupported": [],
    }
    found = call(visitor, "answer.js", "pieces", text, [{"number": 1}, {"number": 2}], done)
    assert [(one["citation"], one["doubtful"]) for one in found if "citation" in one] == [(1, False), (2, True)]
    assert found[-1]["text"] == "[9]."


def test_events_are_read_however_the_bytes_arrive(visitor: Visit) -> None:
    stream = 'event: delta\r\ndata: {"text": "\u6587"}\r\n\r\n: alive\n\nevent: done\ndata: {"answer":\ndata: "x"}\n\n'
    found = visitor.open().evaluate(
        """async (text) => {
            const base = document.querySelector("script[type=module]").src;
            const { events } = await import(new URL("sse.js", base));
            const bytes = new TextEncoder().encode(text);
            const found = [];
            for (const size of [1, 7, bytes.length]) {
                const body = new ReadableStream({
                    start(to) {
                        for (let at = 0; at < bytes.length; at += size) to.enqueue(bytes.slice(at, at + size));
                        to.close();
                    },
                });
                for await (const event of events({ body })) found.push(event);
            }
            return found;
        }""",
        stream,
    )
    once = [{"event": "delta", "data": {"text": "\u6587"}}, {"event": "done", "data": {"answer": "x"}}]
    assert found == once * 3


def test_both_languages_say_the_same_things(visitor: Visit) -> None:
    shapes = visitor.open().evaluate(
        """async () => {
            const base = document.querySelector("script[type=module]").src;
            const { texts } = await import(new URL("texts/index.js", base));
            const shape = (value, path) => typeof value === "object"
                ? Object.entries(value).flatMap(([name, inner]) => shape(inner, `${path}.${name}`))
                : [`${path}: ${typeof value}${typeof value === "function" ? value.length : ""}`];
            return Object.values(texts).map((text) => shape(text, "").sort());
        }"""
    )
    assert len(shapes) == 2
    assert shapes[0] == shapes[1]


def test_the_service_offers_what_the_page_calls(visitor: Visit) -> None:
    page = visitor.open()
    parts = page.evaluate("document.querySelector('meta[name=searchloom-parts]').content").split()
    paths = json.loads(httpx.get(f"{visitor.site}/openapi.json").text)["paths"]
    assert {f"/v1/{part}" for part in parts} <= set(paths)
