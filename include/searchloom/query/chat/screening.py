"""Passages are other people's texts: what in them speaks to the model, not to the reader, does not reach the model.

This is the second of several walls, and the only one that guesses: the first is the random mark around each passage
(``prompt``), the third is what never leaves (``guard``). What is left out here is shown to the reader all the same.
"""

# ruff: noqa: RUF001
from __future__ import annotations

import html
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence

from searchloom.query.chat.orders import MAY_SPEAK_TO_THE_MODEL, SPEAKS_TO_THE_MODEL
from searchloom.query.chat.words import overlap, sentences, terms

LEFT_OUT = "[...]"

FOREIGN = 0.1
"""A sentence that shares less of its terms with the question and the rest of its passage belongs to neither. Of the
sentences of PubMedQA and of CMRC 1 in 70 is foreign and may speak to the model, of Cranfield's 3 in 100."""

CONTROL_TOKEN = re.compile(
    r"<\|[^|<>\n]{0,40}\|>|\[/?INST\]|<<?/?SYS>>?|</?s>|<(?:bos|eos|pad|unk|\w+_of_turn)>", re.IGNORECASE
)
"""What chat templates mark roles with: in a text it would end the passage and begin another speaker's words."""

_COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)
_TAG = re.compile(r"</?[A-Za-z!?][^<>]{0,500}>")
_ANSWERS = frozenset({"A", "Answer", "答", "答案", "回答"})
_EXCHANGE = re.compile(r"\s*(Q|A|Question|Answer|问|问题|答|答案|回答)\s*\d*\s*[:：]\s*(.*)")
_PLAIN = frozenset({"yes", "no", "是", "否", "n/a", "none"})
_BLOB = re.compile(r"[A-Za-z0-9+/=_-]{80,}")  # longer than any word: base64, hexadecimal
_BRACKETED = re.compile(r"[\[【［]\s*(\d{1,3}(?:\s*[,，、-]\s*\d{1,3})*)\s*[\]】］]")

_LEET = str.maketrans("013457@$!", "oieastasi")
_LOOKALIKES = str.maketrans("аеорсухіѕјԁһӏΑΒΕΖΗΙΚΜΝΟΡΤΥΧοаτν", "aeopcyxisjdhlABEZHIKMNOPTYXoatv")
_SPACED = re.compile(r"\b(?:\w[ .\-_*|]){4,}\w\b")


def visible(text: str) -> str:
    """The text without what a reader cannot see: control characters, zero-width and direction marks, Unicode tags."""
    return "".join(
        character
        for character in text
        if character in "\n\t" or unicodedata.category(character) not in {"Cc", "Cf", "Co", "Cn", "Cs"}
    )


def speaks_to_the_model(sentence: str) -> bool:
    """Whether a sentence gives orders to whoever answers questions, also in disguise."""
    folded = unicodedata.normalize("NFKC", sentence).strip()
    disguises = {
        folded,
        folded.translate(_LOOKALIKES),
        folded.translate(_LOOKALIKES).lower().translate(_LEET),
        _SPACED.sub(lambda run: re.sub(r"[ .\-_*|]", "", run[0]), folded),
        folded[::-1],
    }
    return any(SPEAKS_TO_THE_MODEL.search(one) for one in disguises)


def screened(text: str, question: str = "") -> str:
    """The text as the model may read it: visible, without markup and blobs, without sentences that speak to it.

    What may speak to it stays where it is about the ``question`` or about the rest of the text. Numbers in brackets
    become numbers in parentheses, so that a passage cannot cite in the answer's name.
    """
    bare = html.unescape(visible(text))
    hostile = bool(CONTROL_TOKEN.search(bare))
    bare = _TAG.sub(" ", _COMMENT.sub(" ", CONTROL_TOKEN.sub(" ", bare)))
    bare = _BLOB.sub(LEFT_OUT, bare)
    parts = sentences(bare)
    orders = [speaks_to_the_model(part) for part in parts]
    for at in range(len(parts) - 1):  # one order in two sentences, or broken over two lines
        if not (orders[at] or orders[at + 1]) and speaks_to_the_model(f"{parts[at].strip()} {parts[at + 1].strip()}"):
            orders[at] = orders[at + 1] = True
    orders = [order or drilled for order, drilled in zip(orders, _drills(parts), strict=True)]
    if hostile or any(orders):  # what gives orders has lost the benefit of the doubt
        orders = [order or bool(MAY_SPEAK_TO_THE_MODEL.search(part)) for part, order in zip(parts, orders, strict=True)]
    else:
        orders = _foreign(parts, question)
    kept: list[str] = []
    for part, order in zip(parts, orders, strict=True):
        if not order:
            kept.append(part)
        elif not kept or kept[-1].strip() != LEFT_OUT:
            kept.append(f"{LEFT_OUT} ")
    return _BRACKETED.sub(r"(\1)", "".join(kept)).strip()


def _foreign(parts: Sequence[str], question: str) -> list[bool]:
    """Which sentences may speak to the model and share hardly a term with the question or the other sentences."""
    about = [terms(part) for part in parts]
    said = Counter(term for one in about for term in one)
    asked = terms(question)
    return [
        bool(MAY_SPEAK_TO_THE_MODEL.search(part))
        and bool(one)
        and overlap(one, asked.union(term for term in one if said[term] > 1)) < FOREIGN
        for part, one in zip(parts, about, strict=True)
    ]


def _drills(parts: Sequence[str]) -> list[bool]:
    """Which sentences teach an answer by heart: several questions of a passage, all with one and the same answer."""
    lines = [_EXCHANGE.match(part) for part in parts]
    answers = [line[2].strip().casefold() for line in lines if line and line[1] in _ANSWERS]
    drilled = {answer for answer in answers if answers.count(answer) > 1 and answer.strip(".!") not in _PLAIN}
    return [bool(line and drilled) for line in lines]
