from __future__ import annotations

import io
import json
from typing import Any

import pytest

from searchloom.corpus import formats
from searchloom.corpus.document import Document, Rejected, Section, Unreadable
from searchloom.corpus.isolation import Parsers, parse


def one(name: str, body: str) -> Document:
    (document,) = parse(name, body.encode())
    assert isinstance(document, Document)
    return document


def records(lines: str, limit: int = 200_000) -> list[Document | Rejected]:
    return list(formats.stream("a.jsonl", io.BytesIO(lines.encode()), limit))


def test_markdown_becomes_titled_sections_with_tables_code_and_lists_as_text() -> None:
    body = """# The *guide*

Intro with a [link](http://x) &amp; `code`.

## Install

- first
- second

### Linux

```
make demo
```

| a | b |
|---|---|
| 1 | 2 |

## Use

<b>Bold</b> words.
"""
    document = one("guide.md", body)
    assert document.title == "The guide"
    assert document.sections == (
        Section((), "Intro with a link & code."),
        Section(("Install",), "- first\n\n- second"),
        Section(("Install", "Linux"), "make demo\n\na | b\n\n1 | 2"),
        Section(("Use",), "Bold words."),
    )


def test_markdown_front_matter_gives_the_title_and_a_rule_is_no_front_matter() -> None:
    assert one("a.md", "---\ntitle: From the front\n---\ntext").title == "From the front"
    assert "just words" in str(one("a.md", "---\njust words\n---\ntext").sections)
    assert one("dir/some name.md", "no heading").title == "some name"


def test_html_keeps_what_the_page_is_about() -> None:
    body = """<!doctype html><html lang="de-AT"><head><title>Caf&eacute; &amp; Co</title><style>p{}</style></head><body>
    <header><h1>Caf&eacute; &amp; Co</h1><a>Home</a></header><nav>Menu</nav>
    <main><p>First <b>para</b>graph.<br>Next line.</p><script>alert(1)</script>
    <h2>Prices</h2><table><tr><th>Tea</th><td>2&nbsp;€</td></tr></table><ul><li>one</li><li>two</li></ul>
    <pre>x = 1
  y = 2</pre></main><footer>Imprint</footer></body></html>"""
    document = one("a.html", body)
    assert (document.title, document.language) == ("Café & Co", "de")
    assert document.sections == (
        Section((), "First paragraph.\nNext line."),
        Section(("Prices",), "Tea | 2\xa0€\n\n- one\n\n- two\n\nx = 1\n  y = 2"),
    )


def test_a_text_file_is_one_document_named_after_the_file() -> None:
    document = one("notes/My notes.txt", "\ufeffline\r\nline\n\n\n\nend \n")
    assert (document.title, document.sections) == ("My notes", (Section((), "line\nline\n\nend"),))


@pytest.mark.parametrize("name", ["a.txt", "a.md", "a.html", "a.jsonl", "a.json"])
@pytest.mark.parametrize("body", [b"", b"  \n\t \n", b"\xef\xbb\xbf"])
def test_an_empty_file_is_unreadable(name: str, body: bytes) -> None:
    with pytest.raises(Unreadable):
        parse(name, body)


def test_a_kind_of_file_that_is_not_known_is_unreadable_with_those_that_are() -> None:
    with pytest.raises(Unreadable, match=r"'\.pdf' are not read; known: \.txt, \.md"):
        formats.of("a.PDF")
    with pytest.raises(Unreadable, match="without extension"):
        formats.of("Makefile")
    assert formats.of("A.JSONL.GZ") == (formats.of("a.jsonl")[0], True)


def test_records_carry_their_fields_or_say_what_is_wrong() -> None:
    good: dict[str, Any] = {
        "_id": 7, "title": "T", "body": "B", "tenant": "acme", "groups": ["b", "a"], "language": "de-DE", "url": "http://x",
    }  # fmt: skip
    lines = [
        json.dumps(good), "{broken", json.dumps({"_id": "empty", "text": " "}),
        json.dumps({"_id": "7", "text": "again"}),
        json.dumps([1]), json.dumps({"text": "no id"}), json.dumps({"_id": "n", "text": 5}),
        json.dumps({"_id": "g", "text": "x", "groups": []}), json.dumps({"_id": "t", "text": "x", "tenant": " "}),
        "[" * 100_000, json.dumps({"_id": "long", "text": "x" * 300_000}), '{"_id": "s", "text": "lone \\ud800 one"}',
        json.dumps({"_id": "sec", "sections": [{"heading": "H", "text": "under it"}]}),
    ]  # fmt: skip
    found = records("\n".join(lines))
    documents = {item.record: item for item in found if isinstance(item, Document)}
    reasons = {item.record: item.reason for item in found if isinstance(item, Rejected)}
    assert documents["7"] == Document("7", "T", (Section((), "B"),), "de", "acme", ("a", "b"))
    assert documents["s"].sections[0].text == "lone \ufffd one"
    assert documents["sec"].sections == (Section(("H",), "under it"),)
    assert documents.keys() == {"7", "s", "sec", "line 6"}
    assert "broken JSON at column 2" in reasons["line 2"]
    assert reasons["line 4"] == "the id '7' is already that of line 1"
    assert "nested too deeply" in reasons["line 10"]
    assert "longer than the limit" in reasons["line 11"]
    assert reasons.keys() == {"line 2", "empty", "line 4", "line 5", "n", "g", "t", "line 10", "line 11"}


def test_broken_json_names_line_and_column() -> None:
    with pytest.raises(Unreadable, match="line 2, column 9"):
        parse("a.json", b'{\n "text" "x"}')


def test_a_json_file_is_one_object_or_an_array_of_them() -> None:
    assert one("a.json", '{"title": "t", "text": "x"}').record == ""
    assert one("a.json", '{"id": "own", "text": "x"}').record == "own"
    assert [item.record for item in parse("a.json", b'[{"text": "x"}, {"_id": "i", "text": "y"}, 3]')] == [
        "item 1", "i", "item 3",
    ]  # fmt: skip


def test_a_parser_that_hangs_or_dies_costs_one_file_only() -> None:
    with Parsers(timeout_s=1.0) as parsers:
        with pytest.raises(Unreadable, match="still busy after 1 s"):
            parsers.read("deep.html", b"<div>" * 200_000)
        assert [type(item) for item in parsers.read("good.html", b"<p>fine</p>")] == [Document]
        assert parsers._process is not None
        parsers._process.kill()
        with pytest.raises(Unreadable, match="died"):
            parsers.read("next.md", b"text")
        assert [type(item) for item in parsers.read("good.md", b"# fine\n\ntext")] == [Document]
