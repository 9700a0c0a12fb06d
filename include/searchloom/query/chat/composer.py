"""The model's words become the answer, while they come: cleaned, watched, cited, and measured sentence by sentence."""
# ruff: noqa: RUF001

from __future__ import annotations

import re
from dataclasses import dataclass, field

from searchloom.query.chat.guard import Watch, clean, denies
from searchloom.query.chat.prompt import Prompt
from searchloom.query.chat.schemas import Citation, Span
from searchloom.query.chat.support import SUPPORTED, Support, cited, marks, says_something
from searchloom.query.chat.words import plain_words, sentence_end

_PIECE = 60  # characters from which on a part of a sentence is shown
_OPEN = 400  # a bracket that stays open for longer is none
_LONGEST = 2000  # a run without spaces is cut here
_SENTENCE = 5  # words of a sentence that is not said twice
_MARK = re.compile(r"\[\d+\]")
_MORE_CITATIONS = re.compile(r"(?:\s*[\[【［][^\]】］\n]{0,30}[\]】］])*\s*")
_BEGINNING = re.compile(r"\s*[\[【［][^\]】］\n]{0,30}\Z")
_LAST_MARK = re.compile(r"[.!?。！？]*[\"'”’)）」』]*\s*\Z")


@dataclass(frozen=True, slots=True)
class Checked:
    """An answer's citations and the sentences that no passage holds."""

    citations: list[Citation]
    unsupported: list[Span]

    @property
    def holds(self) -> bool:
        """Whether any of it stands on a passage."""
        return any(citation.supported for citation in self.citations)


@dataclass(frozen=True, slots=True)
class _Piece:
    raw: str
    ends: bool


@dataclass(slots=True)
class _Sentence:
    start: int
    end: int = 0
    added: set[int] = field(default_factory=set)  # where citations of ours begin


class Composer:
    """One answer in the making.

    It ends by itself (``ended``) where the model tells its prompt or a whole passage (``stopped``), says that the
    passages do not hold the answer (``denied``), or says a sentence again (``repeats``), as small models do for ever.
    """

    def __init__(self, prompt: Prompt) -> None:
        self.stopped = False  # it was about to tell what it must not
        self.denied = False
        self.repeats = False
        self.answer = ""
        self._support = Support(prompt.given)
        self._watch = Watch(prompt)
        self._pending = ""
        self._open: _Sentence | None = None
        self._sentences: list[_Sentence] = []
        self._said: set[tuple[str, ...]] = set()

    @property
    def ended(self) -> bool:
        """Whether nothing more will be shown, whatever the model says."""
        return self.stopped or self.denied or self.repeats

    def feed(self, text: str) -> str:
        """Take what the model has said; return what may be shown by now."""
        self._pending += text
        shown = ""
        while not self.ended and (cut := self._cut()):
            shown += self._release(cut.raw, ends=cut.ends)
        return shown

    def finish(self) -> str:
        """The model has ended: return what was held back."""
        shown = ""
        if not self.ended and (rest := self._pending.rstrip()):
            shown = self._release(rest, ends=True)
        self._pending = ""
        self._end()
        return shown

    def checked(self) -> Checked:
        """Measure every sentence of the answer against the passages that it cites."""
        citations: list[Citation] = []
        unsupported: list[Span] = []
        for sentence in self._sentences:
            text = self.answer[sentence.start : sentence.end]
            holds = {number: self._support.of(text, number) >= SUPPORTED for number in cited(text)}
            for mark in marks(text):
                start = sentence.start + mark.start()
                citations.append(
                    Citation(
                        number=int(mark[1]),
                        start=start,
                        end=sentence.start + mark.end(),
                        supported=holds[int(mark[1])],
                        added=start in sentence.added,
                    )
                )
            if says_something(text) and not any(holds.values()):
                length = len(text.rstrip())
                unsupported.append(Span(start=sentence.start, end=sentence.start + length))
        return Checked(citations, unsupported)

    def _cut(self) -> _Piece | None:
        """Take the next piece that can be judged off what is pending, and say whether a sentence ends with it."""
        pending = self._pending
        end = sentence_end(pending)
        if end >= 0:
            more = _MORE_CITATIONS.match(pending, end)
            end = more.end() if more else end
            waits = end == len(pending) or _BEGINNING.fullmatch(pending, end)
            if not waits:
                return _Piece(self._take(end), ends=True)
        at = max(pending.rfind(" "), pending.rfind("\n")) + 1
        if end < 0 and len(pending) >= _PIECE and at and (len(pending) > _OPEN or not self._unsettled(pending[:at])):
            return _Piece(self._take(at), ends=False)
        if len(pending) > _LONGEST:
            return _Piece(f"{self._take(_LONGEST)} ", ends=False)
        return None

    def _unsettled(self, part: str) -> bool:
        """Whether more must be known of a sentence before this part of it is shown."""
        if self._open is None:
            words = _words(part)
            if any(said[: len(words)] == words for said in self._said):
                return True
        return part.count("[") > part.count("]") or part.count("<") > part.count(">") or part.count("`") % 2 == 1

    def _take(self, length: int) -> str:
        taken, self._pending = self._pending[:length], self._pending[length:]
        return taken

    def _release(self, raw: str, *, ends: bool) -> str:
        if not self.answer and denies(raw):
            self.denied = True
            return ""
        raw = self._watch.unmarked(raw)
        text = clean(raw, self._support.count)
        if ends and self._open is None and _words(text) in self._said and len(_words(text)) >= _SENTENCE:
            self.repeats = True
            return ""
        if self._watch.objects(text) or self._watch.mark_in(raw):
            self.stopped = True
            return ""
        if not self.answer:
            text = text.lstrip()
        elif self.answer[-1] == "<" or (self.answer[-1] == "]" and text.startswith("(")):
            text = f" {text}"
        if text and self._open is None:
            self._open = _Sentence(len(self.answer))
        if ends:
            text = self._with_citation(text)
        self.answer += text
        if ends:
            self._end()
        return text

    def _with_citation(self, text: str) -> str:
        """Cite for the model where it cited nothing, though a passage holds what it says."""
        if self._open is None:
            return text
        whole = self.answer[self._open.start :] + text
        if cited(whole) or not says_something(whole):
            return text
        number, share = self._support.best(whole)
        if share < SUPPORTED:
            return text
        last = _LAST_MARK.search(text)
        at = last.start() if last else len(text)
        self._open.added.add(len(self.answer) + at + 1)
        return f"{text[:at]} [{number}]{text[at:]}"

    def _end(self) -> None:
        if self._open is not None:
            self._said.add(_words(self.answer[self._open.start :]))
            self._open.end = len(self.answer)
            self._sentences.append(self._open)
            self._open = None


def _words(text: str) -> tuple[str, ...]:
    return tuple(plain_words(_MARK.sub(" ", text)))
