"""What of an answer may be said already: whole characters only, and nothing that a stop word may still take back."""

from __future__ import annotations

from collections.abc import Sequence

_HALF_A_CHARACTER = "\ufffd"


class Spoken:
    """Takes the text of an answer as it grows and gives out what is certain of it."""

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = tuple(stop for stop in stops if stop)
        self._said = 0

    def hear(self, text: str, *, last: bool) -> tuple[str, bool]:
        """The next piece of the whole ``text`` so far, and whether a stop word ended it (which is left out)."""
        found = [place for stop in self._stops if (place := text.find(stop)) >= 0]
        end = min(found) if found else len(text) if last else self._certain(text)
        piece = text[self._said : end]
        self._said = max(self._said, end)
        return piece, bool(found)

    def _certain(self, text: str) -> int:
        end = len(text.rstrip(_HALF_A_CHARACTER))
        for stop in self._stops:
            for length in range(min(len(stop) - 1, end), 0, -1):
                if text.startswith(stop[:length], end - length):
                    end -= length
                    break
        return end
