"""From a file's bytes to pieces of text: what can be read of a file, and how it is cut."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import PurePosixPath

from charset_normalizer import from_bytes
from selectolax.lexbor import LexborHTMLParser

TAKEN = frozenset({
    "txt", "md", "html", "htm", "csv", "json", "jsonl", "pdf", "doc", "docx", "ppt", "pptx", "xls", "xlsx", "png",
    "jpg", "jpeg", "bmp", "gif",
})  # fmt: skip
"""Kinds of files that the cloud takes."""

_READ = frozenset({"txt", "md", "html", "htm", "csv", "json", "jsonl"})
# A word, a single ideograph or a sign: about a token each.
_TOKEN = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|[^\W_]+|[^\w\s]|_")
_SENTENCE_END = re.compile(r"(?<=[.!?。！？；])\s*|\n+")  # noqa: RUF001 - they end Chinese sentences


class UnreadableFile(Exception):
    """A file of which no text can be got; the message says why."""


def kind_of(name: str) -> str:
    """What comes after the last dot of a file's name, in small letters."""
    return PurePosixPath(name).suffix.lstrip(".").lower()


def read_text(name: str, content: bytes) -> str:
    """The text of a file; raises ``UnreadableFile``."""
    kind = kind_of(name)
    if kind not in _READ:
        raise UnreadableFile(f"Files of the kind {kind!r} are not read by the local cloud; it reads text and HTML.")
    best = from_bytes(content).best()
    if best is None:
        raise UnreadableFile("The file is not text in any known encoding.")
    text = str(best)
    if kind in {"html", "htm"}:
        body = LexborHTMLParser(text).body
        text = body.text(separator="\n", strip=True) if body is not None else ""
    if not text.strip():
        raise UnreadableFile("The file holds no text.")
    return text


def words_of(text: str) -> list[str]:
    """What a text is found by: its words in small letters, and each ideograph by itself."""
    return [token.lower() for token in _TOKEN.findall(text) if token.isalnum()]


def cut(text: str, *, size: int, overlap: int) -> list[str]:
    """Cut a text into pieces of at most ``size`` tokens where sentences end; pieces share up to ``overlap`` tokens."""
    pieces: list[str] = []
    held: list[tuple[str, int]] = []
    for sentence in _sentences(text, size):
        count = len(_TOKEN.findall(sentence))
        if held and sum(each for _, each in held) + count > size:
            pieces.append(" ".join(each for each, _ in held))
            while held and (sum(each for _, each in held) > overlap or sum(each for _, each in held) + count > size):
                held.pop(0)
        held.append((sentence, count))
    if held:
        pieces.append(" ".join(each for each, _ in held))
    return pieces


def _sentences(text: str, size: int) -> list[str]:
    """The sentences; one that is longer than a piece is cut between words."""
    found = []
    for sentence in filter(None, (part.strip() for part in _SENTENCE_END.split(text))):
        ends = [match.end() for match in _TOKEN.finditer(sentence)]
        cuts = [0, *ends[size - 1 : -1 : size], len(sentence)]
        found += [sentence[start:end].strip() for start, end in pairwise(cuts)]
    return [sentence for sentence in found if sentence]
