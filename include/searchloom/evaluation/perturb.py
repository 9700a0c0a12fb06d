"""The same question in other words, made by rule: keywords alone, words in another order, a slip of the finger."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Mapping

_HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff]")
_SLIP_FROM = 5  # letters: in a shorter word a slip makes another word
_COMMON = 0.1  # a word in more of the queries than this says little
_MIN_WORDS = 3


def variants(queries: Mapping[str, str], *, seed: int = 20) -> dict[str, dict[str, str]]:
    """Return ``query_id -> kind (keywords, order, typo) -> text``; a kind that would change nothing is left out.

    The same queries and seed give the same variants. Which words are common is learned from the queries themselves,
    so no language needs a list of its own; Chinese is taken character by character.
    """
    split = {query_id: _units(text) for query_id, text in queries.items()}
    counts = Counter(word.lower() for words in split.values() for word in set(words))
    most = max(2.0, _COMMON * len(queries))
    common = {word for word, count in counts.items() if count > most}
    found: dict[str, dict[str, str]] = {}
    for query_id, words in split.items():
        draw = random.Random(f"{seed} {query_id}")  # noqa: S311  repeatable, not secret
        joined = "" if _HAN.search(queries[query_id]) else " "
        made = {
            "keywords": [word for word in words if word.lower() not in common] or words,
            "order": _shuffled(words, draw),
            "typo": _slipped(words, draw),
        }
        found[query_id] = {kind: joined.join(changed) for kind, changed in made.items() if changed != words}
    return found


def _units(text: str) -> list[str]:
    if _HAN.search(text):
        return re.findall(r"[A-Za-z0-9]+|[^\W_]", text)
    return text.split()


def _shuffled(words: list[str], draw: random.Random) -> list[str]:
    """Cut the query in two somewhere and turn the parts round: neighbours mostly stay neighbours, as when people do."""
    if len(words) < _MIN_WORDS:
        return words
    cut = draw.randrange(1, len(words))
    return words[cut:] + words[:cut]


def _slipped(words: list[str], draw: random.Random) -> list[str]:
    """Swap two neighbouring letters inside one long word."""
    places = [place for place, word in enumerate(words) if len(word) >= _SLIP_FROM and word.isascii()]
    if not places:
        return words
    place = draw.choice(places)
    word, at = words[place], draw.randrange(1, len(words[place]) - 2)
    slip = word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    return [*words[:place], slip, *words[place + 1 :]]
