"""Who was erased, as of now: asked before every request, so that a person erased during a sync is not sent again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from searchloom.cloud.oss import Oss
from searchloom.personalization import privacy


class Erasures:
    """The marks of ``privacy.erase``; a look reads only those that are new."""

    def __init__(self, oss: Oss) -> None:
        self._oss = oss
        self._seen: set[tuple[str, str]] = set()
        self.marks: dict[str, float] = {}

    def refresh(self) -> Erasures:
        """Look again."""
        found = privacy.mark_versions(self._oss)
        if found - self._seen:
            self.marks = privacy.erased(self._oss)
            self._seen = found
        return self

    def covers(self, person: str, time: float) -> bool:
        """Whether what the person did then is to be forgotten; what he does after his erasure counts again."""
        mark = self.marks.get(person)
        return mark is not None and time <= mark

    def forgets(self, event: Mapping[str, Any]) -> bool:
        """Whether an event of the log is to be forgotten."""
        return next(privacy.kept([event], self.marks), None) is None
