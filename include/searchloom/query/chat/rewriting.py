"""A follow-up ("and on two keys?") becomes a question that stands alone, for retrieval knows no conversation.

The model proposes; what it proposes counts only where it is made of the conversation's own words. Else the last
question's terms are put beside the message, which finds much the same and invents nothing.
"""

# ruff: noqa: RUF001
from __future__ import annotations

import re
from collections.abc import Sequence

from searchloom.query.chat.memory import Turn
from searchloom.query.chat.screening import visible
from searchloom.query.chat.words import overlap, terms

MAX_CHARS = 300
_LAST = 3  # turns that the model reads
_OWN_WORDS = 0.8  # share of a proposal's terms that the conversation must hold
_KEPT = 0.5  # share of the message's terms that a proposal must keep
_ALONE = 4  # terms from which on a message without a reference stands alone

_REFERS = re.compile(
    r"\b(?:it|its|they|them|their|this|that|these|those|he|she|his|her|one|ones|there|same|former|latter|instead|else)\b"
    r"|^(?:and|or|but|so|what about|how about|why|when|also|then|ok)\b"
    r"|它|他们|她|他|这|那|其|该|上面|前者|后者|呢[？?]?$|还有|另外|那么|为什么[？?]?$",
    re.IGNORECASE,
)
_ASKED = (
    "Rewrite the last message of the user as one question that can be understood without the conversation. Keep its "
    "language and use only words of the conversation. Reply with the question alone."
)


def needs_context(message: str) -> bool:
    """Whether a message reads as if something before it were needed to understand it."""
    return bool(_REFERS.search(message)) or len(terms(message)) < _ALONE


def messages(message: str, turns: Sequence[Turn]) -> list[dict[str, str]]:
    """What the model is asked: the last turns, and the message."""
    said = "\n".join(f"User: {turn.question}\nAnswer: {turn.answer[:300]}" for turn in turns[-_LAST:])
    return [
        {"role": "system", "content": _ASKED},
        {"role": "user", "content": f"{visible(said)}\nLast message of the user: {visible(message)}\nQuestion:"},
    ]


def accepted(proposal: str, message: str, turns: Sequence[Turn]) -> str:
    """The model's question where it may stand for the message; empty where it may not."""
    first = next(iter(proposal.strip().splitlines()), "").strip(" \"'“”")
    proposed, wanted = terms(first), terms(message)
    said = wanted.union(*(terms(f"{turn.question} {turn.answer}") for turn in turns[-_LAST:]))
    fits = 0 < len(first) <= MAX_CHARS and overlap(proposed, said) >= _OWN_WORDS
    return first if fits and (not wanted or overlap(wanted, proposed) >= _KEPT) else ""


def fallback(message: str, turns: Sequence[Turn]) -> str:
    """The message with the last question beside it."""
    return f"{turns[-1].question} {message}"[-MAX_CHARS:] if turns else message
