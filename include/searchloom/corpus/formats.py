"""Which parser reads which file. A new format (PDF, Office) is one more entry of ``_FORMATS``.

A parser that could hang or crash on hostile input (``isolated``) runs in a process of its own: see ``isolation``.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import BinaryIO

from searchloom.corpus import html, language, markdown, records, text
from searchloom.corpus.document import Document, Rejected, Section, Unreadable

PARSER_VERSION = 1
"""Goes into every content hash: raise it when a parser or the chunker gives other results for the same bytes."""

Parse = Callable[[bytes, str], Iterable[Document | Rejected]]


@dataclass(frozen=True, slots=True)
class Format:
    """How files of one kind are read. ``streamed``: record by record, whatever the size of the file."""

    mime: str
    parse: Parse
    isolated: bool = False
    streamed: bool = False
    packable: bool = False


def _plain(data: bytes, name: str) -> Iterator[Document]:
    body = text.clean(text.decode(data))
    yield _whole(_stem(name), (Section((), body),) if body else ())


def _markdown(data: bytes, name: str) -> Iterator[Document]:
    title, sections = markdown.parse(text.clean(text.decode(data)))
    yield _whole(title or _stem(name), sections)


def _html(data: bytes, name: str) -> Iterator[Document]:
    title, sections, claimed = html.parse(text.clean(text.decode(data)))
    yield _whole(title or _stem(name), sections, language.normalise(claimed))


def _json(data: bytes, _name: str) -> Iterator[Document | Rejected]:
    yield from records.from_json(data)


def _jsonl(data: bytes, _name: str) -> Iterator[Document | Rejected]:
    yield from records.from_jsonl(io.BytesIO(data), packed=False, limit=len(data) + 1)


_FORMATS = {
    ".txt": Format("text/plain", _plain, packable=True),
    ".md": Format("text/markdown", _markdown, isolated=True),
    ".html": Format("text/html", _html, isolated=True),
    ".htm": Format("text/html", _html, isolated=True),
    ".json": Format("application/json", _json, packable=True),
    ".jsonl": Format("application/x-ndjson", _jsonl, streamed=True, packable=True),
}


def of(key: str) -> tuple[Format, bool]:
    """Return the format of a file by its name, and whether it is packed with gzip.

    Raises ``Unreadable`` for a kind that is not known, naming those that are.
    """
    path = PurePosixPath(key.lower())
    packed = path.suffix == ".gz"
    suffix = PurePosixPath(path.stem).suffix if packed else path.suffix
    found = _FORMATS.get(suffix)
    if found is None or (packed and not found.packable):
        known = ", ".join(_FORMATS)
        kind = suffix + ".gz" * packed or "without extension"
        raise Unreadable(f"files of kind {kind!r} are not read; known: {known}")
    return found, packed


def _stem(name: str) -> str:
    path = PurePosixPath(name)
    return PurePosixPath(path.stem).stem if path.suffix.lower() == ".gz" else path.stem


def _whole(title: str, sections: tuple[Section, ...], claimed: str | None = None) -> Document:
    """Check that the file says anything: a title alone, made of the file's name, is nothing to find."""
    if not any(section.text or section.path for section in sections):
        raise Unreadable("the file is empty: it holds no text")
    return Document("", " ".join(title.split()), sections, language=claimed)


def stream(name: str, source: BinaryIO, limit: int) -> Iterator[Document | Rejected]:
    """Read a file of records in memory bounded by ``limit``, the most bytes of one record.

    Raises ``Unreadable`` when it holds none.
    """
    _, packed = of(name)
    yield from records.from_jsonl(source, packed=packed, limit=limit)
