"""Bytes to text: byte order marks, UTF-8, other charsets where they explain the bytes, and nothing where none does."""

from __future__ import annotations

import codecs
import re
import unicodedata
import zlib

import charset_normalizer

from searchloom.corpus.document import Unreadable

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16: the longer mark begins with the shorter one
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_SAMPLE_BYTES = 64 * 1024  # what the charset is guessed from: enough for a verdict, bounded in time
_UTF8_SEQUENCE = re.compile(rb"[\xc3-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")
_HIGH_RUN = re.compile(r"[^\x00-\x7f]+")
_TYPOGRAPHY = set(bytes([*range(0x80, 0xC0), 0xD7, 0xF7]).decode("cp1252", errors="ignore")) - set("ŠŒŽšœžŸ")
_LONE_LETTERS = set("àÀèÈéÉóÓíÍáÁúÚöÖåÅäÄæÆøØôòìêüÜ")
_SURROGATES = re.compile("[\ud800-\udfff]")
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f]")
_BLANK_LINES = re.compile(r"\n[ \t]*\n(?:[ \t]*\n)+")


def decode(data: bytes) -> str:
    """Return the text of a file.

    Raises ``Unreadable`` for binary data, broken UTF-8, and bytes that no charset explains.
    """
    for mark, encoding in _BOMS:
        if data.startswith(mark):
            try:
                found = data[len(mark) :].decode(encoding)
            except UnicodeDecodeError as error:
                raise Unreadable(f"the byte order mark says {encoding}, but the bytes are not: {error}") from error
            if encoding != "utf-8" and any(
                unicodedata.category(char) in {"Cn", "Co"} for char in found[:_SAMPLE_BYTES]
            ):
                raise Unreadable(f"it begins with the byte order mark of {encoding}, but what follows is no text")
            return _no_binary(found)
    try:
        return _no_binary(data.decode("utf-8"))
    except UnicodeDecodeError as error:
        text = _by_charset(data)
        if text is None:
            where = f"byte 0x{data[error.start]:02x} at offset {error.start}"
            raise Unreadable(f"the bytes are not UTF-8 ({where}), and no other charset explains them") from error
        return text


def clean(text: str) -> str:
    """Return the text without what no engine wants: lone surrogates, control characters, piles of blank lines."""
    text = _SURROGATES.sub("\ufffd", text)
    text = _CONTROLS.sub(" ", text.replace("\r\n", "\n").replace("\r", "\n"))
    return _BLANK_LINES.sub("\n\n", text).strip()


def gunzip(data: bytes, limit: int) -> bytes:
    """Unpack gzip data of at most ``limit`` bytes; raises ``Unreadable`` when it is damaged or larger."""
    out = bytearray()
    rest = data
    try:
        while rest:  # a gzip file may hold several members
            unpacker = zlib.decompressobj(wbits=31)
            out += unpacker.decompress(rest, limit + 1 - len(out))
            if len(out) > limit:
                raise Unreadable(f"unpacked it is larger than the limit of {limit:,} bytes")
            if not unpacker.eof:
                raise Unreadable("the gzip data ends too early")
            rest = unpacker.unused_data
    except zlib.error as error:
        raise Unreadable(f"the gzip data is damaged: {error}") from error
    return bytes(out)


def _no_binary(text: str) -> str:
    at = text.find("\0")
    if at >= 0:
        raise Unreadable(f"it holds a NUL byte (at character {at}): binary data, not text")
    return text


def _by_charset(data: bytes) -> str | None:
    high = sum(byte > 127 for byte in data[:_SAMPLE_BYTES])
    as_utf8 = sum(len(found) for found in _UTF8_SEQUENCE.findall(data[:_SAMPLE_BYTES]))
    if high and as_utf8 >= high / 2:
        return None  # damaged UTF-8: any other reading of it would be nonsense
    latin = _as_latin(data)
    if latin is not None:
        return latin
    best = charset_normalizer.from_bytes(data[:_SAMPLE_BYTES]).best()
    if best is None or best.chaos > 0.1 or not _explains(str(best), best):
        return None
    try:
        text = data.decode(best.encoding)
    except UnicodeDecodeError:
        return None
    return None if _CONTROLS.search(text) else text


def _explains(sample: str, best: charset_normalizer.CharsetMatch) -> bool:
    letters = [char for char in sample if char.isalpha()]
    foreign = sum(char > "\x7f" for char in letters)
    if not letters or foreign < len(letters) / 3:
        return False  # a few odd bytes in ASCII text are damage, not a charset
    if best.language in {"Chinese", "Japanese", "Korean"}:
        return True
    return best.language != "Unknown" and best.coherence >= 0.4


def _as_latin(data: bytes) -> str | None:
    """Read as Windows-1252 if every byte beyond ASCII then is a letter inside a word, or typography."""
    try:
        text = data.decode("cp1252")
    except UnicodeDecodeError:
        return None
    if _CONTROLS.search(text):
        return None
    for found in _HIGH_RUN.finditer(text):
        letters = "".join(char for char in found.group() if char not in _TYPOGRAPHY)
        if not letters:
            continue
        before, after = text[found.start() - 1 : found.start()], text[found.end() : found.end() + 1]
        in_word = (before.isalpha() or after.isalpha()) and len(letters) <= 2
        if not (in_word or letters in _LONE_LETTERS) or not all(_is_latin(char) for char in letters):
            return None
    return text


def _is_latin(char: str) -> bool:
    return char.isalpha() and unicodedata.name(char, "").startswith("LATIN") and char not in "ÿþÞÐ"
