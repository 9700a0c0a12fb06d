"""The seam of the personal order: what knows the caller may put the found documents into another order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from searchloom.engines.fusion import Ranked
from searchloom.query.auth import Caller
from searchloom.query.deadline import Deadline
from searchloom.release.document import Release


@dataclass(frozen=True, slots=True)
class Ordered:
    """All candidates, best first, their scores blended; and what was said of each that is known, by doc_id.

    ``reasons`` say why one stands where it does, ``airec`` is what AIRec said of it, ``missing`` names parts that were
    left out, ``version`` is the model's. ``teams``: in an interleaved list, the arm that placed a document; of neither,
    where both would have.
    """

    ranked: Sequence[Ranked]
    scores: Mapping[str, float] = field(default_factory=dict)
    reasons: Mapping[str, str] = field(default_factory=dict)
    airec: Mapping[str, float] = field(default_factory=dict)
    missing: Sequence[str] = ()
    version: str | None = None
    teams: Mapping[str, str] = field(default_factory=dict)


class PersonalOrder(Protocol):
    """Orders what was found for whoever asked. Is left out, and named, when it is late or fails."""

    async def order(
        self, candidates: Sequence[Ranked], caller: Caller, deadline: Deadline, *, release: Release, query: str
    ) -> Ordered:
        """Order the candidates: all of them, each once, the same for every page of one search.

        A candidate's ``hit`` holds ids alone, not yet its texts. Raises ``SearchloomError`` when it cannot be done.
        """

    async def close(self) -> None:
        """Let go of connections."""


class Impersonal:
    """The default: everybody gets the same order."""

    async def order(
        self,
        candidates: Sequence[Ranked],
        caller: Caller,  # noqa: ARG002  the protocol's
        deadline: Deadline,  # noqa: ARG002
        *,
        release: Release,  # noqa: ARG002
        query: str,  # noqa: ARG002
    ) -> Ordered:
        """Change nothing."""
        return Ordered(candidates)

    async def close(self) -> None:
        """Nothing is open."""
