"""Questions that a language model writes for passages: off unless ``training.llm_questions`` is set."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from searchloom.cloud.bailian import Bailian
from searchloom.errors import SearchloomError
from searchloom.training.pairs import Pair
from searchloom.training.passages import Passages
from searchloom.training.splits import draw, plain

log = logging.getLogger(__name__)

_ASKED = (
    "Write {count} different questions that a reader could type into a search engine and that the passage below "
    "answers. Use the language of the passage, other words than the passage where you can, and do not mention the "
    "passage. One question a line, nothing else.\n\n{passage}"
)
_WORKERS = 4
_GIVE_UP = 0.5  # share of failed calls of a batch after which no more are made
_BATCH = 20
_LENGTH = range(8, 301)  # characters of a question
_MARKER = re.compile(r"^\s*(?:[-*•]|\(?\d+[.):]|Q\d*[:.])\s*", re.IGNORECASE)


def of_llm(
    bailian: Bailian, passages: Passages, reserved: set[str], *, questions: int, most_passages: int, seed: int
) -> list[Pair]:
    """Return pairs of LLM questions and their passages, one passage a document, chosen by lot.

    A call that fails costs its passage; where most of a batch fails the rest is left out: training goes on without.
    """
    chosen = [
        min(places, key=lambda place: draw(seed, "question", passages.all[place].chunk_id))
        for doc_id, places in passages.of_document.items()
        if doc_id not in reserved
    ]
    chosen.sort(key=lambda place: draw(seed, "asked", passages.all[place].doc_id))
    pairs: list[Pair] = []
    for start in range(0, min(most_passages, len(chosen)), _BATCH):
        batch = chosen[start : min(start + _BATCH, most_passages)]
        with ThreadPoolExecutor(_WORKERS) as pool:
            answers = list(pool.map(lambda place: _ask(bailian, passages.all[place].embedded, questions), batch))
        for place, answer in zip(batch, answers, strict=True):
            pairs += _pairs(passages, place, answer or [])
        failed = sum(answer is None for answer in answers)
        if failed > _GIVE_UP * len(batch):
            log.warning("%d of %d calls of the language model failed; it is asked no more", failed, len(batch))
            break
    log.info("the language model wrote %d questions", len(pairs))
    return pairs


def _ask(bailian: Bailian, passage: str, questions: int) -> list[str] | None:
    prompt = _ASKED.format(count=questions, passage=passage)
    try:
        said = bailian.chat([{"role": "user", "content": prompt}], temperature=0.3, max_tokens=60 * questions)
    except SearchloomError as error:
        log.info("the language model wrote no question: %s", error)
        return None
    return _parsed(said.text, passage)[:questions]


def _parsed(text: str, passage: str) -> list[str]:
    """Return the lines that may be questions; a line of the passage is none."""
    lines = dict.fromkeys(_MARKER.sub("", line).strip(' "\u201c\u201d') for line in text.splitlines())
    return [line for line in lines if len(line) in _LENGTH and plain(line) and plain(line) not in plain(passage)]


def _pairs(passages: Passages, place: int, questions: Sequence[str]) -> list[Pair]:
    passage = passages.all[place]
    return [
        Pair(f"llm:{passage.chunk_id}:{number}", question, passage.doc_id, "llm", place=place)
        for number, question in enumerate(questions)
    ]
