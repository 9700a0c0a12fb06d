"""Documents to chunks: by structure first, by token count of the embedding model where a section is too long.

A document that fits into one chunk stays whole; small neighbouring sections share one; a long section becomes pieces of
about equal length that overlap, cut between paragraphs, else sentences, else words. Every character of the text is in
some chunk (white space at a chunk's ends aside).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from tokenizers import Tokenizer
from tokenizers.pre_tokenizers import BertPreTokenizer

from searchloom import schemas
from searchloom.corpus.document import Document, Section
from searchloom.corpus.split import Array, slices, split, token_starts
from searchloom.errors import UsageError

PATH_MARK = " > "
_TITLE_SHARE = 3  # a title may take a third of a chunk
_PATH_SHARE = 4
_BATCH_CHARACTERS = 2_000_000
_CHARACTERS_A_TOKEN = 16  # a word of 5,000 letters may be one token, and is not one for an engine
_ROUNDS = 6  # of cutting smaller until the tokenizer agrees


@dataclass(frozen=True, slots=True)
class Piece:
    """One chunk of a document, as its vector will see it."""

    title: str
    section: str
    text: str

    @property
    def embedding_text(self) -> str:
        """The text that the vector is made of."""
        return schemas.embedding_text(self.title, self.section, self.text)


@dataclass(frozen=True, slots=True)
class _Part:
    """A section with its cost in tokens, of each heading of its path too, and where each token of its text starts."""

    section: Section
    headings: tuple[int, ...]
    tokens: int
    starts: Array | None  # None for a short text


class Chunker:
    """Cuts documents for one model: ``max_tokens`` counts everything that the model sees, special tokens too.

    Raises ``UsageError`` where the limits leave no room for text.
    """

    def __init__(self, tokenizer_file: Path, *, max_tokens: int, overlap_tokens: int) -> None:
        self._tokenizer = Tokenizer.from_file(str(tokenizer_file))
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._special = self._tokenizer.num_special_tokens_to_add(is_pair=False)
        if max_tokens - self._special < 16 or overlap_tokens * 2 > max_tokens:
            raise UsageError(
                f"chunks of {max_tokens} tokens with an overlap of {overlap_tokens} leave no room for text; "
                "raise chunking.max_tokens or lower chunking.overlap_tokens"
            )
        self.max_tokens = max_tokens
        self.overlap_tokens = overlap_tokens
        # BERT's splits at every white space, mark and Chinese character: parts cost what they cost alone
        self._adds_up = isinstance(self._tokenizer.pre_tokenizer, BertPreTokenizer)
        self._newline = max(0, self._count(["a\na"])[0] - 2 * self._count(["a"])[0])
        self._mark = self._count([PATH_MARK])[0]

    def cut(self, documents: Sequence[Document]) -> list[list[Piece]]:
        """Return the chunks of each document, in order; documents are tokenised together, in one batch."""
        wholes = [self._shape(document) for document in documents]
        words = list(dict.fromkeys(word for title, parts in wholes for word in (title, *_headings(parts))))
        cost = dict(zip(words, self._count(words), strict=True))
        encoded = self._encoded([section.text for _, sections in wholes for section in sections])
        pieces: list[list[Piece]] = []
        for title, sections in wholes:
            parts = []
            for section in sections:
                tokens, starts = next(encoded)
                parts.append(_Part(section, tuple(cost[word] for word in section.path), tokens, starts))
            pieces.append(self._cut_one(title, cost[title], parts))
        return self._verified(documents, pieces)

    def tokens(self, texts: Sequence[str]) -> list[int]:
        """Length of each text as the model sees it, special tokens included."""
        return [count + self._special for count in self._count(texts)]

    def _count(self, texts: Sequence[str]) -> list[int]:
        return [len(found) for found in self._tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)]

    def _encoded(self, texts: Sequence[str]) -> Iterator[tuple[int, Array | None]]:
        """Yield the length in tokens of each text and, for all but short ones, where its tokens start."""
        batch: list[str] = []
        size = 0
        for text in texts:
            batch.append(text)
            size += len(text)
            if size > _BATCH_CHARACTERS:  # an encoding takes some 40 times the memory of its text
                yield from self._encoded_batch(batch)
                batch, size = [], 0
        yield from self._encoded_batch(batch)

    def _encoded_batch(self, texts: list[str]) -> Iterator[tuple[int, Array | None]]:
        for text, encoding in zip(texts, self._tokenizer.encode_batch(texts, add_special_tokens=False), strict=True):
            tokens = max(len(encoding), len(text) // _CHARACTERS_A_TOKEN)
            yield tokens, token_starts(encoding.offsets, len(text)) if tokens * 4 > self.max_tokens else None

    @staticmethod
    def _shape(document: Document) -> tuple[str, list[Section]]:
        """Leave out headings that stand above others only, and give a document of nothing but a title a text."""
        sections = [
            section
            for section, after in pairwise([*document.sections, None])
            if section
            and (section.text or (section.path and not (after and after.path[: len(section.path)] == section.path)))
        ]
        cut = [Section(section.path, text) for section in sections for text in slices(section.text)]
        return document.title, cut or [Section((), "")]

    def _cut_one(self, title: str, title_tokens: int, parts: list[_Part]) -> list[Piece]:
        limit = self.max_tokens // _TITLE_SHARE
        if title_tokens > limit:
            if not any(part.section.text for part in parts):  # nothing of a text that is all title may be lost
                parts = [_Part(Section((), title), (), *next(self._encoded([title])))]
            title, title_tokens = self._shortened(title, limit)
        room = self.max_tokens - self._special - title_tokens - (self._newline if title else 0)
        pieces: list[Piece] = []
        for group in self._groups(parts, room):
            pieces.extend(self._of_group(title, group, room))
        return pieces

    def _groups(self, parts: list[_Part], room: int) -> list[list[_Part]]:
        """Put small neighbouring sections together: all of them if they fit, else until a chunk is half full."""
        if self._group_tokens(parts) <= room:
            return [parts]
        groups: list[list[_Part]] = []
        for part in parts:
            if groups:
                last = self._group_tokens(groups[-1])
                small = last < room // 2 or self._group_tokens([part]) < room // 4
                if small and self._group_tokens([*groups[-1], part]) <= room:
                    groups[-1].append(part)
                    continue
            groups.append([part])
        return groups

    def _group_tokens(self, parts: list[_Part]) -> int:
        joins = self._newline * 3
        return sum(part.tokens + sum(part.headings) + len(part.headings) * self._mark + joins for part in parts)

    def _of_group(self, title: str, group: list[_Part], room: int) -> list[Piece]:
        if len(group) > 1:
            label = _common([part.section.path for part in group])
            text = "\n\n".join(_with_heading(part.section, len(label)) for part in group)
            return [Piece(title, PATH_MARK.join(label), text)]
        part = group[0]
        label_text, label_tokens = PATH_MARK.join(part.section.path), self._group_tokens([part]) - part.tokens
        if label_tokens > room // _PATH_SHARE:
            label_text, label_tokens = self._shortened(part.section.path[-1], room // _PATH_SHARE)
        return [Piece(title, label_text, text) for text in self._split(part, room - label_tokens)]

    def _split(self, part: _Part, room: int) -> list[str]:
        text = part.section.text
        if part.tokens <= room:
            return [text]
        starts = part.starts if part.starts is not None else self._starts(text)
        smaller = room
        for _ in range(_ROUNDS):
            spans = split(text, starts, room=smaller, overlap=min(self.overlap_tokens, smaller // 4))
            pieces = [piece for start, end in spans if (piece := text[start:end].strip())]
            if self._adds_up and all(text[start - 1].isspace() for start, _ in spans if start):
                break
            excess = max(self._count(pieces), default=0) - room
            if excess <= 0:
                break
            smaller = max(8, smaller - excess)  # words cut in two may count more tokens than the whole did
        return pieces

    def _shortened(self, text: str, limit: int) -> tuple[str, int]:
        """Cut a title or heading to ``limit`` tokens, at a word's end where it has words."""
        _, end = split(text, self._starts(text), room=limit - 1, overlap=0)[0]
        short = text[:end].strip()
        return short, self._count([short])[0]

    def _starts(self, text: str) -> Array:
        return token_starts(self._tokenizer.encode(text, add_special_tokens=False).offsets, len(text))

    def _verified(self, documents: Sequence[Document], pieces: list[list[Piece]]) -> list[list[Piece]]:
        """Ask the tokenizer itself about chunks that are nearly full: not every tokenizer simply adds up."""
        if self._adds_up:
            return pieces
        for index, found in enumerate(pieces):
            texts = [piece.embedding_text for piece in found if len(piece.text) > self.max_tokens]
            if any(count > self.max_tokens for count in self.tokens(texts)):
                pieces[index] = self._cut_tighter(documents[index])
        return pieces

    def _cut_tighter(self, document: Document) -> list[Piece]:
        full = self.max_tokens
        try:
            for _ in range(_ROUNDS):
                self.max_tokens = self.max_tokens * 7 // 8
                title, sections = self._shape(document)
                encoded = self._encoded([section.text for section in sections])
                parts = [
                    _Part(section, tuple(self._count(section.path)), *found)
                    for section, found in zip(sections, encoded, strict=True)
                ]
                pieces = self._cut_one(title, self._count([title])[0], parts)
                if max(self.tokens([piece.embedding_text for piece in pieces])) <= full:
                    break
        finally:
            self.max_tokens = full
        return pieces


def _headings(sections: list[Section]) -> list[str]:
    return [word for section in sections for word in section.path]


def _common(paths: list[tuple[str, ...]]) -> tuple[str, ...]:
    shared: list[str] = []
    for level in zip(*paths, strict=False):
        if len(set(level)) > 1:
            break
        shared.append(level[0])
    return tuple(shared)


def _with_heading(section: Section, known: int) -> str:
    """Put what the chunk's label does not say of a section's path above its text."""
    heading = PATH_MARK.join(section.path[known:])
    return "\n".join(part for part in (heading, section.text) if part)
