"""HTML to titled sections; scripts, styles, navigation and other furniture are left out."""

from __future__ import annotations

import re

from selectolax.lexbor import LexborHTMLParser, LexborNode

from searchloom.corpus.document import Outline, Section

_FURNITURE = (
    "script, style, noscript, template, nav, footer, aside, form, button, select, iframe, svg, canvas, object, dialog, "
    'body > header, [hidden], [aria-hidden="true"], [role="navigation"], [role="banner"], [role="contentinfo"], '
    '[role="search"], [role="complementary"]'
)
_HEADINGS = {"h1": 1, "h2": 2, "h3": 3, "h4": 4, "h5": 5, "h6": 6}
_BLOCKS = {
    "address", "article", "blockquote", "body", "caption", "center", "dd", "details", "div", "dl", "dt", "fieldset",
    "figcaption", "figure", "header", "hr", "li", "main", "ol", "p", "pre", "section", "summary", "table", "tbody",
    "tfoot", "thead", "tr", "ul",
}  # fmt: skip
_SPACE = re.compile(r"[ \t\n\r\f]+")
_MAIN_SHARE = 0.3  # of the page's text; a smaller <main> or <article> is not what the page is about


def parse(text: str) -> tuple[str, tuple[Section, ...], str]:
    """Return the title, the sections and the language that the page claims (empty: none)."""
    tree = LexborHTMLParser(text)
    language = (tree.root.attributes.get("lang") if tree.root is not None else "") or ""
    title = _words(tree.css_first("title"))
    heading = _words(tree.css_first("h1"))  # before the page's header goes, where it often stands
    body = tree.body
    if body is None:
        return title or heading, (), language
    for node in body.css(_FURNITURE):
        node.decompose()
    outline = Outline()
    _Walk(outline, title or heading).through(_content(body))
    return title or heading, outline.finish(), language


def plain(fragment: str) -> str:
    """Return the text of a piece of HTML."""
    return "\n\n".join(
        part
        for section in parse(fragment)[1]
        for part in (section.path[-1] if section.path else "", section.text)
        if part
    )


def _content(body: LexborNode) -> LexborNode:
    whole = len(body.text())
    for selector in ("main", "[role=main]", "article"):
        found = body.css(selector)
        if len(found) == 1 and len(found[0].text()) >= whole * _MAIN_SHARE:
            return found[0]
    return body


def _words(node: LexborNode | None) -> str:
    return _SPACE.sub(" ", node.text()).strip() if node is not None else ""


class _Walk:
    """One pass over the nodes, without recursion: pages may be nested deeper than the stack is."""

    def __init__(self, outline: Outline, title: str) -> None:
        self._outline = outline
        self._title = title
        self._line: list[str] = []

    def through(self, root: LexborNode) -> None:
        """Visit every node below ``root`` in the order of the page."""
        stack: list[tuple[LexborNode, bool]] = [(root, False)]
        while stack:
            node, leaving = stack.pop()
            if leaving:
                self._leave(node.tag)
                continue
            if self._enter(node):
                stack.append((node, True))
                children = []
                child = node.first_child
                while child is not None:
                    children.append((child, False))
                    child = child.next
                stack.extend(reversed(children))
        self._flush()

    def _enter(self, node: LexborNode) -> bool:
        """Take what the node says itself; whether its children are to be visited."""
        tag = node.tag or ""
        if tag == "-text":
            self._line.append(_SPACE.sub(" ", node.text_content or ""))
        elif tag in _HEADINGS:
            self._flush()
            words = _words(node)
            if words and not (tag == "h1" and words == self._title):
                self._outline.heading(_HEADINGS[tag], words)
            return False
        elif tag == "pre":
            self._flush()
            self._outline.block(node.text())
            return False
        elif tag == "br":
            self._line.append("\n")
        elif tag in _BLOCKS:
            self._flush()
            if tag == "li":
                self._line.append("- ")
        elif tag in {"td", "th"} and "".join(self._line).strip():
            self._line.append(" | ")
        return not tag.startswith(("-", "!"))

    def _leave(self, tag: str | None) -> None:
        if tag in _BLOCKS:
            self._flush()

    def _flush(self) -> None:
        lines = (_SPACE.sub(" ", line).strip() for line in "".join(self._line).split("\n"))
        text = "\n".join(line for line in lines if line)
        if text and text != "-":
            self._outline.block(text)
        self._line = []
