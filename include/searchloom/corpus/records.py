"""JSON records to documents: one object, an array, or one object a line."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator
from typing import Any, BinaryIO

from searchloom.corpus import language, text
from searchloom.corpus.document import Document, Rejected, Section, Unreadable

_BODY = ("text", "body", "content")
_ID = ("_id", "id")


def from_json(data: bytes) -> Iterator[Document | Rejected]:
    """Read a .json file: one object (its record id is empty unless it carries one) or an array of objects.

    Raises ``Unreadable`` when it is no JSON, naming line and column.
    """
    value = _loads(text.decode(data))
    if isinstance(value, dict):
        yield _checked(value, "", {})
        return
    if not isinstance(value, list):
        raise Unreadable(f"the JSON is {_kind(value)}; write an object or an array of objects")
    if not value:
        raise Unreadable("the array holds no record")
    seen: dict[str, str] = {}
    for number, item in enumerate(value, 1):
        yield _checked(item, f"item {number}", seen)


def from_jsonl(stream: BinaryIO, *, packed: bool, limit: int) -> Iterator[Document | Rejected]:
    """Read a .jsonl file line by line, in memory bounded by ``limit`` (bytes of one line).

    A broken line is one rejected record, the others go on. Raises ``Unreadable`` when the file holds none at all.
    """
    lines = _lines(gzip.GzipFile(fileobj=stream) if packed else stream, limit)
    seen: dict[str, str] = {}
    found = False
    for number, line in lines:
        place = f"line {number}"
        if isinstance(line, Unreadable):
            found = True
            yield Rejected(place if number else "", str(line))
            continue
        if not line.strip():
            continue
        found = True
        try:
            yield _checked(_loads(_utf8(line)), place, seen)
        except Unreadable as error:
            yield Rejected(place, str(error))
    if not found:
        raise Unreadable("the file is empty")


def _lines(stream: Any, limit: int) -> Iterator[tuple[int, bytes | Unreadable]]:
    number = 0
    while True:
        try:
            line = stream.readline(limit + 1)
            number += 1
            if len(line) > limit and not line.endswith(b"\n"):
                _skip_line(stream, limit)
                yield number, Unreadable(f"the line is longer than the limit of {limit:,} bytes")
                continue
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            yield number + 1, Unreadable(f"the gzip data is damaged from here on: {error}")
            return
        if not line:
            return
        yield number, line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line


def _skip_line(stream: Any, limit: int) -> None:
    while True:
        rest = stream.readline(limit)
        if not rest or rest.endswith(b"\n"):
            return


def _utf8(line: bytes) -> str:
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Unreadable(
            f"the line is not UTF-8: byte 0x{line[error.start]:02x} at column {error.start + 1}"
        ) from error


def _loads(source: str) -> Any:
    try:
        return json.loads(source)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}" if "\n" in source.strip() else f"column {error.colno}"
        raise Unreadable(f"broken JSON at {where}: {error.msg}") from error
    except RecursionError as error:
        raise Unreadable("the JSON is nested too deeply") from error
    except ValueError as error:  # a number with thousands of digits
        raise Unreadable(f"broken JSON: {error}") from error


def _checked(value: Any, place: str, seen: dict[str, str]) -> Document | Rejected:
    """Make a document of one record, or say what is wrong with it; ``seen`` holds the ids before it."""
    try:
        record = _identity(value, place)
        first = seen.get(record)
        if first is not None:
            return Rejected(place, f"the id {record!r} is already that of {first}")
        seen[record] = place
        return _document(value, record)
    except Unreadable as error:
        return Rejected(place, str(error))


def _identity(value: Any, place: str) -> str:
    if not isinstance(value, dict):
        raise Unreadable(f"the record is {_kind(value)}; write an object with text and title")
    for name in _ID:
        given = value.get(name)
        if given is None or given == "":
            continue
        if isinstance(given, bool) or not isinstance(given, str | int):
            raise Unreadable(f"{name} is {_kind(given)}; write a string or a whole number")
        return text.clean(str(given)) or place
    return place


def _document(value: dict[str, Any], record: str) -> Document | Rejected:
    try:
        title = " ".join(text.clean(_string(value, "title") or "").split())
        sections = _sections(value)
        if not title and not any(section.text for section in sections):
            return Rejected(record, "the record has neither text nor title")
        given = _string(value, "language")
        return Document(
            record=record,
            title=title,
            sections=sections,
            language=language.normalise(given) if given else None,
            tenant=_tenant(value),
            groups=_groups(value),
        )
    except Unreadable as error:
        return Rejected(record, str(error))


def _sections(value: dict[str, Any]) -> tuple[Section, ...]:
    found: list[Section] = []
    name = next((name for name in _BODY if value.get(name)), "text")
    body = text.clean(_string(value, name) or "")
    heading = text.clean(_string(value, "section") or "")
    if body:
        found.append(Section((heading,) if heading else (), body))
    listed = value.get("sections")
    if listed is None:
        return tuple(found)
    if not isinstance(listed, list) or not all(isinstance(item, dict) for item in listed):
        raise Unreadable("sections is not a list of objects with title and text")
    for item in listed:
        heading = text.clean(_string(item, "title") or _string(item, "heading") or "")
        found.append(Section((heading,) if heading else (), text.clean(_string(item, "text") or "")))
    return tuple(found)


def _string(value: dict[str, Any], name: str) -> str | None:
    given = value.get(name)
    if given is None or isinstance(given, str):
        return given
    raise Unreadable(f"{name} is {_kind(given)}; write a string")


def _tenant(value: dict[str, Any]) -> str | None:
    if value.get("tenant") is None:
        return None
    tenant = text.clean(_string(value, "tenant") or "")
    if not tenant:
        raise Unreadable("tenant is empty; name one, or leave the field out")
    return tenant


def _groups(value: dict[str, Any]) -> tuple[str, ...] | None:
    given = value.get("groups")
    if given is None:
        return None
    names = [given] if isinstance(given, str) else given
    if not isinstance(names, list) or not names or not all(isinstance(name, str) and name.strip() for name in names):
        raise Unreadable("groups is not a list of names; nobody may guess who is allowed to read a document")
    return tuple(sorted({text.clean(name) for name in names}))


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "a string", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")
