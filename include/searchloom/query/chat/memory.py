"""What was said in a conversation, kept for a while, and only for the one who had it.

``Memory`` is the seam: another store (Redis, Tablestore) that several hosts share needs these three methods. Nothing
of the passages is kept, and of an answer only what its reader saw.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from searchloom.query.auth import Caller

MAX_CHARS = 2000
"""Of a message or an answer; more is not needed to understand a follow-up."""


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose conversation it is. Who has lost or gained a group starts anew: old answers may tell what they must not."""

    tenant: str
    user: str
    groups: tuple[str, ...]
    corpus: str

    @classmethod
    def of(cls, caller: Caller, corpus: str) -> Owner:
        """The owner of what this caller says about a corpus."""
        return cls(caller.access.tenant, caller.user, tuple(sorted(set(caller.access.groups))), corpus)


@dataclass(frozen=True, slots=True)
class Turn:
    """A question as it was asked, as it was looked for, the answer, and the documents that it came from."""

    message: str
    question: str
    answer: str
    doc_ids: tuple[str, ...] = ()


class Memory(Protocol):
    """Where conversations are kept. A conversation of another owner is no conversation at all.

    Every method raises ``ServiceUnavailable`` where the store cannot be used.
    """

    async def turns(self, owner: Owner, conversation_id: str) -> Sequence[Turn] | None:
        """The turns of a conversation, oldest first; None where this owner has none of this name."""

    async def add(self, owner: Owner, conversation_id: str, turn: Turn) -> None:
        """Keep a turn; older ones beyond the bound are forgotten."""

    async def forget(self, tenant: str, user: str) -> int:
        """Forget all that was said by a user of a tenant; returns how many conversations there were."""


def new_id() -> str:
    """A name for a conversation that nobody can guess."""
    return secrets.token_urlsafe(18)
