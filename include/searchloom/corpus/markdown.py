"""Markdown to titled sections; tables, lists and code stay as text."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

import yaml
from markdown_it import MarkdownIt
from markdown_it.token import Token

from searchloom.corpus import html
from searchloom.corpus.document import Outline, Section

_FRONT_MATTER = re.compile(r"\A---[ \t]*\n(.*?\n)(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL)


def parse(text: str) -> tuple[str, tuple[Section, ...]]:
    """Return the title (front matter, else the first heading of level 1, else empty) and the sections."""
    front, body = _front_matter(text)
    outline = Outline()
    title = front
    row: list[str] = []
    tokens = _parser().parse(body)
    for position, token in enumerate(tokens):
        if token.type == "heading_open":
            level, words = int(token.tag[1]), _inline(tokens[position + 1])
            if level == 1 and not title:
                title = words
            elif words:
                outline.heading(level, words)
        elif token.type in {"fence", "code_block"}:
            outline.block(token.content)
        elif token.type == "html_block":
            outline.block(html.plain(token.content))
        elif token.type == "tr_open":
            row = []
        elif token.type == "tr_close":
            outline.block(" | ".join(row))
        elif token.type == "inline":
            _place(tokens, position, outline, row)
    return title, outline.finish()


def _place(tokens: list[Token], position: int, outline: Outline, row: list[str]) -> None:
    opened = tokens[position - 1].type
    if opened in {"th_open", "td_open"}:
        row.append(_inline(tokens[position]))
    elif opened != "heading_open":
        in_item = position > 1 and tokens[position - 2].type == "list_item_open"
        outline.block(("- " if in_item else "") + _inline(tokens[position]))


def _inline(token: Token) -> str:
    parts: list[str] = []
    for child in token.children or []:
        if child.type in {"softbreak", "hardbreak"}:
            parts.append("\n")
        elif child.type in {"text", "code_inline", "image"}:
            parts.append(child.content)
    return "".join(parts).strip()


def _front_matter(text: str) -> tuple[str, str]:
    found = _FRONT_MATTER.match(text)
    if not found:
        return "", text
    try:
        fields: Any = yaml.safe_load(found.group(1))
    except (yaml.YAMLError, ValueError, RecursionError):
        return "", text  # a rule between two paragraphs, not front matter
    if not isinstance(fields, dict):
        return "", text
    title = fields.get("title")
    return title.strip() if isinstance(title, str) else "", text[found.end() :]


@lru_cache(maxsize=1)
def _parser() -> MarkdownIt:
    return MarkdownIt("commonmark", {"maxNesting": 100}).enable("table")
