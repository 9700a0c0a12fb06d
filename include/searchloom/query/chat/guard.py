"""What never leaves in an answer: links, images, HTML, citations of passages that do not exist, the prompt.

These are rules about text, not guesses about intentions: they hold for a model that a document has taken over as well.
"""
# ruff: noqa: RUF001

from __future__ import annotations

import html
import re
from collections import deque
from collections.abc import Sequence

from searchloom.query.chat.prompt import NOT_THERE, Prompt
from searchloom.query.chat.screening import CONTROL_TOKEN, visible
from searchloom.query.chat.words import plain_words

REMOVED = "(link removed)"
LEAK_WORDS = 8
"""So many words of the rules in a row are no accident."""
MAX_COPIED = 60
"""Words of one passage in a row: longer quotations are what a search is for, or what a document has asked for."""

_COPY_WINDOW = 12
_SETTLED_AFTER = 6  # rounds; a round removes something, so that this is never reached by what a person writes

_IMAGE = re.compile(r"!\[[^\]]*\]\s?(?:\([^)]*\)|\[[^\]]*\])")
_LINK = re.compile(r"\[([^\[\]]*)\]\([^)]*\)")
_TAG = re.compile(r"</?[A-Za-z!?][^<>]*>")
_OPENING = re.compile(r"<(?=[A-Za-z/!?])")
_TLD = (
    "com|net|org|cn|info|biz|xyz|top|ru|de|uk|jp|fr|eu|us|edu|gov|site|online|club|shop|store|click|link|live|tk|ml|cc"
)
_TLD_WITH_PATH = f"{_TLD}|io|ai|dev|app|co|me|to|sh|ly|gg|tv|so|ws|im|is|it|in|at|be|ch|nl|pl|es|se|ca|au|br|kr"
_LABELS = r"(?:[A-Za-z0-9][A-Za-z0-9-]{0,62}\.)+"
_ADDRESS = re.compile(
    r"[A-Za-z][A-Za-z0-9+.-]{1,20}:[/\\]{2}[!-~]*"
    r"|(?:javascript|vbscript):[!-~]*"
    r"|\b(?:data|mailto|tel|sms|file|ftp|blob):(?=[!-~])[!-~]*"
    r"|(?<![A-Za-z0-9])www\.[!-~]+"
    rf"|(?<![A-Za-z0-9_])(?:[A-Za-z0-9._+-]+@)?{_LABELS}(?:{_TLD})(?![A-Za-z0-9_-])(?::\d+)?(?:[/?#][!-~]*)?"
    rf"|(?<![A-Za-z0-9_]){_LABELS}(?:{_TLD_WITH_PATH})(?::\d+)?/[!-~]*"
    r"|(?<![\d.])\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?/[!-~]*",
    re.IGNORECASE,
)
_NOT_THERE = re.compile(r"[\[(]?\bNOT[_ ]IN[_ ]PASSAGES\b[\])]?[.!]?")
CODE = re.compile(r"(`[^`\n]*`)")
"""What stands between two backticks of a line: it cites nothing."""

_CITATION = re.compile(
    r"[\[【［]\s*\^?\s*(?:passages?|documents?|docs?|sources?|refs?|段落|文档|来源|第)?\s*[#:]?\s*"
    r"(\d{1,9}(?:\s*[,，、;&–-]\s*(?:passages?\s*)?\d{1,9})*)\s*(?:[†段条][^\]】］]{0,20})?[\]】］]",
    re.IGNORECASE,
)
_NUMBERS = re.compile(r"\d+|[–-]")
_INDEX = re.compile(r"(?<=[A-Za-z0-9_)\]])\[\d+\]")
_LONGEST_RANGE = 5


def clean(text: str, passages: int) -> str:
    """Text without markup, links and hidden characters, citing passages 1 to ``passages`` as ``[n]`` and nothing else.

    Applied to its own result it changes nothing. Cleaned pieces put together are clean where each ends with a space.
    """
    for _ in range(_SETTLED_AFTER):
        before, text = text, _once(text, passages)
        if text == before:
            return text
    return _OPENING.sub("< ", _ADDRESS.sub("", text)).replace("](", "] (")


def _once(text: str, passages: int) -> str:
    text = visible(html.unescape(text))
    text = CONTROL_TOKEN.sub("", text).replace("<|", "< |")
    text = _LINK.sub(r"\1", _IMAGE.sub("", text))
    text = "".join(_OPENING.sub("< ", part) if CODE.fullmatch(part) else _untagged(part) for part in CODE.split(text))
    text = _ADDRESS.sub(REMOVED, text).replace("](", "] (")
    text = _NOT_THERE.sub("", text)
    text = "".join(part if CODE.fullmatch(part) else part.replace("`", "") for part in CODE.split(text))
    return "".join(_recited(part, passages) for part in CODE.split(text))


def _untagged(text: str) -> str:
    return _OPENING.sub("< ", _TAG.sub("", text))


def _recited(text: str, passages: int) -> str:
    if CODE.fullmatch(text):  # df.iloc[0] is no citation; a bracket that stands alone is none of code
        kept = {match.start() for match in _INDEX.finditer(text)}
        return _CITATION.sub(lambda one: one[0] if one.start() in kept else _numbers(one, passages), text)
    return _CITATION.sub(lambda one: _numbers(one, passages), text)


def _numbers(citation: re.Match[str], passages: int) -> str:
    """The numbers of a citation that exist, each in brackets of its own."""
    numbers: list[int] = []
    through = False
    for found in _NUMBERS.findall(citation[1]):
        if not found.isdecimal():
            through = True
            continue
        number = int(found)
        first = numbers[-1] + 1 if through and numbers and 0 < number - numbers[-1] <= _LONGEST_RANGE else number
        numbers += range(first, number + 1)
        through = False
    return "".join(f"[{number}]" for number in dict.fromkeys(numbers) if 1 <= number <= passages)


class Watch:
    """Follows an answer word by word, for what it repeats of its prompt."""

    def __init__(self, prompt: Prompt) -> None:
        self._mark = prompt.mark.strip("§")
        self._heading = re.compile(rf"§?{self._mark}§?(?:\s*(?:passage \d+|end of passages)\b\s*:?)?", re.IGNORECASE)
        self._rules = _windows(prompt.rules, LEAK_WORDS)
        self._passages = [_windows(text, _COPY_WINDOW) for text in prompt.given]
        self._copied = [0] * len(prompt.given)
        self._words: deque[str] = deque(maxlen=_COPY_WINDOW)
        self._tail = ""

    def unmarked(self, text: str) -> str:
        """The text without the mark: small models repeat the heading of a passage before they quote it."""
        return self._heading.sub("", text)

    def mark_in(self, text: str) -> bool:
        """Whether this piece, put to the last ones, tells the mark, whatever stands between its characters."""
        told = self._tail + "".join(character for character in text.lower() if character.isalnum())
        self._tail = told[-len(self._mark) :]
        return self._mark in told

    def objects(self, text: str) -> bool:
        """Whether the answer must end before this piece: it would tell the mark, the rules, or a whole passage."""
        if self.mark_in(text):
            return True
        for word in plain_words(text):
            self._words.append(word)
            words = tuple(self._words)
            if words[-LEAK_WORDS:] in self._rules:
                return True
            for place, windows in enumerate(self._passages):
                self._copied[place] = self._copied[place] + 1 if words in windows else 0
                if self._copied[place] > MAX_COPIED - _COPY_WINDOW:
                    return True
        return False


def denies(text: str) -> bool:
    """Whether an answer's beginning says that the passages do not hold what was asked."""
    start = visible(text).strip(" \n\"'`*")
    return start.upper().replace(" ", "_").startswith(NOT_THERE) or bool(_DENIAL.match(start))


_DENIAL = re.compile(
    r"(?:sorry|unfortunately|i(?:'m| am) sorry)\b[^.]{0,80}\b(?:not|no|cannot|can't|unable)\b"
    r"|i (?:do not|don't|cannot|can't|could not|am unable)\b[^.]{0,30}\b(?:know|find|answer|tell|determine)\b"
    r"|(?:the |these |none of the |no )?(?:provided |given |numbered )?(?:passages?|text|documents?|sources?) "
    r"(?:provided |given )?(?:do(?:es)? not|don't|doesn't|hold no|contain no|say nothing)\b"
    r"|there (?:is|are) no (?:information|mention|passages?|answer)\b"
    r"|(?:很)?(?:抱歉|对不起)|(?:我)?(?:不知道|无法回答)"
    r"|(?:根据)?(?:提供的|给出的|这些|上述|以上)?(?:段落|资料|文档|文中|信息)(?:中)?(?:里)?[，,]?(?:并)?(?:没有|未|不包含|无法)",
    re.IGNORECASE,
)


def _windows(text: str, size: int) -> frozenset[tuple[str, ...]]:
    words: Sequence[str] = plain_words(text)
    return frozenset(tuple(words[at : at + size]) for at in range(len(words) - size + 1))
