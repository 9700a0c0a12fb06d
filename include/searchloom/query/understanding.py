"""What a query says before anything is asked: its language, its identifiers, its quoted phrases, its other words."""

from __future__ import annotations

import re
from dataclasses import dataclass

from searchloom.engines.lexical import SHORTEST
from searchloom.query import language

MAX_PHRASES = 8
"""Each one is a clause of its own in both engines; further quotes are ordinary words."""

# A straight quote opens where a word may begin and closes where one may end: 5" pipes are no phrase.
_QUOTED = re.compile(
    r'(?<!\w)"([^"]+)"(?!\w)|\u201c([^\u201c\u201d]+)\u201d|\u00ab([^\u00ab\u00bb]+)\u00bb|\u300c([^\u300c\u300d]+)\u300d'
    r"|\u300e([^\u300e\u300f]+)\u300f"
)
_TOKEN = re.compile(r"[^\s,;!?\u3000-\u303f\uff01-\uff0f\uff1a-\uff20]+")
_EDGES = ".:()[]{}'\"`\u201c\u201d\u00ab\u00bb\u300c\u300d\u300e\u300f"
_IDENTIFIER = re.compile(
    r"""
    (?=.*[A-Za-z\d])                            # not punctuation alone
    (?:
        .*[A-Za-z\d][_/\\@\#=][A-Za-z\d_].*      # snake_case, paths, addresses
      | [A-Za-z\d]+(?:(?:\.|::|->)[A-Za-z\d]+)+  # DataFrame.merge, std::vector
      | _+\w+ | \w+_+                            # __init__
      | .*[a-z]\d*[A-Z].*                        # camelCase
      | [A-Z]{2,}[a-z]\w*                        # HTTPServer
      | (?=.*[A-Za-z])(?=.*\d)[\w.+-]+           # utf8, CVE-2024-1234, 1.2.3rc1
      | \d+(?:[.:-]\d+){2,}                      # 10.0.0.1, 2024-01-31
      | [A-Z]{2,}s?                              # BM25 is above; RRF, APIs
    )
    """,
    re.VERBOSE,
)
_WORD = re.compile(rf"[^\W\d_]{{{SHORTEST},}}")
_ABBREVIATED = re.compile(r"(?:[A-Za-z]\.)+[A-Za-z]?")  # e.g., U.S.


@dataclass(frozen=True, slots=True)
class Understanding:
    """A query, taken apart.

    ``plain`` is the text without its quotation marks: what is searched and embedded. ``words`` are those that may have
    been misspelt: letters only, outside quotes, no identifiers, no script without spaces.
    """

    text: str
    plain: str
    language: str
    identifiers: tuple[str, ...]
    phrases: tuple[str, ...]
    words: tuple[str, ...]


def understand(text: str) -> Understanding:
    """Take a query apart; every query can be, and an unpaired quotation mark is nothing but a character."""
    quoted = list(_QUOTED.finditer(text))[:MAX_PHRASES]
    phrases = tuple(dict.fromkeys(filter(None, (_between(match) for match in quoted))))
    plain, outside = _without_quotes(text, quoted)
    tokens = [token.group().strip(_EDGES) for token in _TOKEN.finditer(plain)]
    identifiers = tuple(dict.fromkeys(token for token in tokens if is_identifier(token)))
    free = [token.group().strip(_EDGES) for token in _TOKEN.finditer(outside)]
    words = tuple(
        dict.fromkeys(
            word.lower() for word in free if _WORD.fullmatch(word) and word.isascii() and not is_identifier(word)
        )
    )
    return Understanding(text, plain, language.of_query(plain), identifiers, phrases, words)


def is_identifier(token: str) -> bool:
    """Whether a token is the name of something, to be taken letter by letter: ``read_parquet``, ``CVE-2024-1234``."""
    return bool(token) and _ABBREVIATED.fullmatch(token) is None and _IDENTIFIER.fullmatch(token) is not None


def corrected(text: str, corrections: dict[str, str]) -> str:
    """Put each correction (lower-case word -> word) in its place; what stands in quotes is left as it is."""

    def put(part: str) -> str:
        return re.sub(r"[^\W\d_]+", lambda word: corrections.get(word.group().lower(), word.group()), part)

    at, parts = 0, []
    for match in list(_QUOTED.finditer(text))[:MAX_PHRASES]:
        parts += [put(text[at : match.start()]), match.group()]
        at = match.end()
    return "".join([*parts, put(text[at:])])


def _between(match: re.Match[str]) -> str:
    return " ".join(next(filter(None, match.groups())).split())


def _without_quotes(text: str, quoted: list[re.Match[str]]) -> tuple[str, str]:
    """Return the text with its quotes opened, and what stands outside of them."""
    at, plain, outside = 0, [], []
    for match in quoted:
        before = text[at : match.start()]
        plain += [before, _between(match)]
        outside += [before, " "]
        at = match.end()
    rest = text[at:]
    opened = "".join([*plain, rest])
    return opened.strip() or text, "".join([*outside, rest])
