"""What a pair is, and the pairs that a corpus itself gives: every document adapts the model, judged or not.

Of a document come at most ``MOST`` pairs, the most natural query first:

- its title, where that reads like a query (two words, or two Chinese characters), with its first passage;
- a sentence from the head of a passage with the rest of it (the inverse cloze task: Lee et al., "Latent retrieval for
  weakly supervised open domain question answering", ACL 2019); of the first passage where there is no such title;
- the heading of a section with the passage below it; a short heading is asked together with the title;
- a title of another kind (a file's name, a function's) with the first passage.

The part that became the query is taken out of the passage, so that there is something to learn. A query that two
documents would answer is no pair.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from searchloom import schemas
from searchloom.corpus.chunk import PATH_MARK
from searchloom.training.passages import Passage, Passages
from searchloom.training.splits import draw, plain

MOST = 3
SENTENCE_WIDTH = range(30, 241)  # in Latin letters, as everything that is measured here
_REST_WIDTH = 80  # a passage without its query must still say something
_WIDTH = 3  # a Chinese character says about as much as three Latin letters
_WORDS_ALONE = 3  # a heading of fewer words means little without its title
_PROSE, _PROSE_WORDS = 0.8, 4  # share of letters and spaces, and words, below which it is no sentence
_SENTENCES_LOOKED_AT = 3

_WIDE = re.compile("[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\U00020000-\U0002fa1f]")
_LETTER = re.compile(r"[^\W\d_]")
_SENTENCE_END = re.compile(r"[.!?](?=\s|$)|[。\uff01\uff1f]|\n\s*\n|$")
_LAYOUT = re.compile(
    r"^[^\w\"'(\u201c\u300a\u300c]|\n[ \t]{2,}|^\w+(?: ?\([^)]*\))? ?: |[-=~*#]{3}"
)  # of lists, tables, headings, fields
_CLAUSE = re.compile(r"[,;:\uff0c\uff1b\uff1a、](?!\w*\))")
_SEPARATORS = re.compile(r"\.(?:html?|md|pdf|txt|docx?)$|[\W_]+")
_NUMBER = re.compile(r"^[\d.()]+\s+")


@dataclass(frozen=True, slots=True)
class Pair:
    """A query and a document that answers it.

    ``place`` is the answering passage's; None: the document's passage nearest to the query, found when it is mined.
    ``positive`` is empty where the passage is taken as it is embedded. ``without`` (of title, section) is what was
    left out of the positive, and has to be left out of its negatives: else the form would tell them apart.
    """

    query_id: str
    query: str
    doc_id: str
    source: str
    weight: float = 1.0
    place: int | None = None
    positive: str = ""
    without: frozenset[str] = frozenset()
    rank: int = 0  # 0: the document's most natural pair

    def shaped(self, passage: Passage) -> str:
        """Return the passage as it is embedded, in the form of this pair's positive."""
        title = "" if "title" in self.without else passage.title
        section = "" if "section" in self.without else passage.section
        return schemas.embedding_text(title, section, passage.text)


def of_corpus(passages: Passages, reserved: set[str]) -> list[Pair]:
    """Return the pairs of every document but the reserved ones; each query leads to one document alone."""
    found = [
        pair
        for doc_id, places in passages.of_document.items()
        if doc_id not in reserved
        for pair in _of_document(passages, places)
    ]
    owners: dict[str, set[str]] = defaultdict(set)
    for pair in found:
        owners[plain(pair.query)].add(pair.doc_id)
    kept: dict[str, Pair] = {}
    positives: set[str] = set()
    for pair in found:
        query = plain(pair.query)
        if query not in kept and len(owners[query]) == 1 and pair.positive not in positives:
            positives.add(pair.positive)
            kept[query] = pair
    return list(kept.values())


def known_item(passages: Passages, doc_id: str) -> str:
    """Return the query that a document has to be found by: that of its most natural pair; empty where it has none."""
    pair = next(_of_document(passages, passages.of_document[doc_id]), None)
    return pair.query if pair else ""


def _of_document(passages: Passages, places: Sequence[int]) -> Iterator[Pair]:
    first = passages.all[places[0]]
    natural = _reads_like_query(first.title)
    by_lot = sorted(places, key=lambda place: draw(0, "passage", passages.all[place].chunk_id))
    title = _of_title(first, places[0])
    # beside a title any passage may give the sentence, in its place the first one that has some
    sentence = next(
        (pair for place in (by_lot if natural else places) if (pair := _of_sentence(passages, place))), None
    )
    headings = (_of_heading(passages.all[place], place) for place in by_lot)
    ordered = [title if natural else None, sentence, *headings, None if natural else title]
    made = [pair for pair in ordered if pair is not None]
    for rank, pair in enumerate(made[:MOST]):
        yield replace(pair, rank=rank)


def _of_title(passage: Passage, place: int) -> Pair | None:
    name = passage.title if _reads_like_query(passage.title) else _SEPARATORS.sub(" ", passage.title)
    return _pair("title", passage, place, query=name, text=passage.text, without={"title"})


def _of_heading(passage: Passage, place: int) -> Pair | None:
    heading = _NUMBER.sub("", passage.section.rsplit(PATH_MARK, maxsplit=1)[-1])
    if not plain(heading):
        return None
    if len(heading.split()) >= _WORDS_ALONE or not passage.title:
        if not _reads_like_query(heading):
            return None
        return _pair("heading", passage, place, query=heading, text=passage.text, without={"section"})
    query = f"{passage.title} {heading}"
    return _pair("heading", passage, place, query=query, text=passage.text, without={"title", "section"})


def _of_sentence(passages: Passages, place: int) -> Pair | None:
    passage = passages.all[place]
    start = 0
    for number, end in enumerate(_SENTENCE_END.finditer(passage.text)):
        sentence = passage.text[start : end.end()]
        if number == _SENTENCES_LOOKED_AT:
            break
        query = _shortened(" ".join(sentence.split())) if not _LAYOUT.search(sentence.strip()) else ""
        cut = number == 0 and passage.ordinal > 0  # a later passage may begin in the middle of one
        if not cut and _width(query) in SENTENCE_WIDTH and _is_prose(query):
            rest = f"{passage.text[:start]} {passage.text[end.end() :]}".strip()
            if plain(query) in plain(rest):
                return None
            return _pair("sentence", passage, place, query=query, text=rest, without=set())
        start = end.end()
    return None


def _pair(kind: str, passage: Passage, place: int, *, query: str, text: str, without: set[str]) -> Pair | None:
    """Make the pair, unless nothing is left to learn from; the query is taken off the head of the text."""
    asked = " ".join(query.split()).rstrip(" .。")
    words = plain(asked)
    rest = _without_head(text, words)
    if not _LETTER.search(words) or _width(rest) < _REST_WIDTH:
        return None
    if "title" in without and plain(passage.section) and plain(passage.section) in words:
        without = {*without, "section"}
    form = frozenset(without)
    title = "" if "title" in form else passage.title
    positive = schemas.embedding_text(title, "" if "section" in form else passage.section, rest)
    if plain(positive).startswith(words):
        return None
    name = f"{kind}:{passage.chunk_id}"
    return Pair(name, asked, passage.doc_id, "corpus", place=place, positive=positive, without=form)


def _without_head(text: str, words: str) -> str:
    """Return the text without these words (as ``plain`` has them), however often it begins with them."""
    if not words:
        return text
    head = re.compile(r"[\W_]*" + r"[\W_]+".join(map(re.escape, words.split())) + r"(?![^\W_])[\W_]*", re.IGNORECASE)
    if _WIDE.search(words):
        head = re.compile(r"[\W_]*" + r"[\W_]*".join(map(re.escape, words.split())) + r"[\W_]*", re.IGNORECASE)
    while match := head.match(text):
        text = text[match.end() :]
    return text


def _reads_like_query(title: str) -> bool:
    return len(_WIDE.findall(title)) >= 2 or (len(title.split()) >= 2 and bool(_LETTER.search(title)))


def _is_prose(text: str) -> bool:
    letters = sum(char.isalpha() or char.isspace() for char in text)
    return letters >= _PROSE * len(text) and (bool(_WIDE.search(text)) or len(text.split()) >= _PROSE_WORDS)


def _shortened(sentence: str) -> str:
    """Cut a sentence that is too long for a query after a clause."""
    while _width(sentence) > SENTENCE_WIDTH.stop - 1:
        marks = [mark.start() for mark in _CLAUSE.finditer(sentence)]
        if not marks:
            return ""
        sentence = sentence[: marks[-1]]
    return sentence


def _width(text: str) -> int:
    return len(text) + (_WIDTH - 1) * len(_WIDE.findall(text))
