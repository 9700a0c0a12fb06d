"""Answers as XML, and the few XML documents that clients send."""

from __future__ import annotations

import re
import secrets
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from html import escape

from localcloud.oss.errors import OssError

# An element is its name and its content; content is text, a mapping, or a sequence of elements.
Content = str | int | bool | Mapping[str, "Content"] | Iterable[tuple[str, "Content"]]


_CONTROL = re.compile(rb"[\x00-\x08\x0b-\x1f]")
_TEXT = re.compile(rb">[^<]*</")


def document(root: str, content: Content) -> bytes:
    """A whole XML document."""
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{_element(root, content)}'.encode()


def _element(name: str, content: Content) -> str:
    if isinstance(content, bool):
        body = "true" if content else "false"
    elif isinstance(content, int):
        body = str(content)
    elif isinstance(content, str):
        body = "".join(c if c >= " " or c in "\t\n" else f"&#{ord(c)};" for c in escape(content, quote=False))
    else:
        pairs = content.items() if isinstance(content, Mapping) else content
        body = "".join(_element(child, value) for child, value in pairs)
    return f"<{name}>{body}</{name}>"


def iso_time(milliseconds: int) -> str:
    """A time as the XML answers write it: ``2012-02-24T08:43:07.000Z``."""
    return datetime.fromtimestamp(milliseconds // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def parse(body: bytes, root: str) -> ET.Element:
    """The document that a client sent; raises ``MalformedXML``."""
    # A document type could define entities that expand without end; no OSS document has one.
    if b"<!DOCTYPE" in body:
        raise malformed()
    # XML has no control characters and folds carriage returns, but keys may hold both, and clients send them raw:
    # a nonce stands in for them meanwhile.
    nonce = secrets.token_hex(8)
    body = _TEXT.sub(lambda text: _CONTROL.sub(lambda c: f"[{nonce}{c[0][0]:02x}]".encode(), text[0]), body)
    try:
        element = ET.fromstring(body)  # noqa: S314 - document types are refused above
    except ET.ParseError:
        raise malformed() from None
    for part in element.iter():
        part.tag = part.tag.rpartition("}")[2]
        if part.text and nonce in part.text:
            part.text = re.sub(rf"\[{nonce}(..)\]", lambda found: chr(int(found[1], 16)), part.text)
    if element.tag != root:
        raise malformed()
    return element


def text_of(element: ET.Element, child: str) -> str:
    """The text of a child that must be there."""
    found = element.find(child)
    if found is None:
        raise malformed()
    return found.text or ""


def malformed() -> OssError:
    """The document cannot be read."""
    return OssError("MalformedXML", "The XML you provided was not well-formed or did not validate against our schema.")
