"""What was said in a conversation, kept for a while, and only for the one who had it.

``Memory`` is the seam: another store (Redis, Tablestore) that all processes share needs these three methods. Nothing
of the passages is kept, and of an answer only what its reader saw.
"""

from __future__ import annotations

import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from searchloom.query.auth import Caller
from searchloom.settings import Chat

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
    """Where conversations are kept. A conversation of another owner is no conversation at all."""

    async def turns(self, owner: Owner, conversation_id: str) -> Sequence[Turn] | None:
        """The turns of a conversation, oldest first; None where this owner has none of this name."""

    async def add(self, owner: Owner, conversation_id: str, turn: Turn) -> None:
        """Keep a turn; older ones beyond the bound are forgotten."""

    async def forget(self, tenant: str, user: str) -> int:
        """Forget all that was said by a user of a tenant; returns how many conversations there were."""


def new_id() -> str:
    """A name for a conversation that nobody can guess."""
    return secrets.token_urlsafe(18)


@dataclass(slots=True)
class _Conversation:
    last: float
    turns: list[Turn] = field(default_factory=list)


class ProcessMemory:
    """Conversations in the memory of this process: bounded for each user and in all, the longest unused go first."""

    def __init__(self, settings: Chat, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._clock = clock
        self._kept: OrderedDict[tuple[Owner, str], _Conversation] = OrderedDict()  # the one used last at the end
        self._of_user: dict[tuple[str, str], OrderedDict[tuple[Owner, str], None]] = {}

    async def turns(self, owner: Owner, conversation_id: str) -> Sequence[Turn] | None:
        """See ``Memory``."""
        self._expire()
        found = self._kept.get((owner, conversation_id))
        return None if found is None else tuple(found.turns)

    async def add(self, owner: Owner, conversation_id: str, turn: Turn) -> None:
        """See ``Memory``."""
        self._expire()
        key = (owner, conversation_id)
        conversation = self._kept.setdefault(key, _Conversation(self._clock()))
        conversation.last = self._clock()
        conversation.turns.append(_short(turn))
        del conversation.turns[: -self._settings.turns or len(conversation.turns)]
        self._kept.move_to_end(key)
        own = self._of_user.setdefault((owner.tenant, owner.user), OrderedDict())
        own[key] = None
        own.move_to_end(key)
        if len(own) > self._settings.conversations_per_user:
            self._drop(next(iter(own)))
        if len(self._kept) > self._settings.conversations:
            self._drop(next(iter(self._kept)))

    async def forget(self, tenant: str, user: str) -> int:
        """See ``Memory``."""
        own = list(self._of_user.get((tenant, user), ()))
        for key in own:
            self._drop(key)
        return len(own)

    def _expire(self) -> None:
        before = self._clock() - self._settings.forget_after_s
        while self._kept and next(iter(self._kept.values())).last < before:
            self._drop(next(iter(self._kept)))

    def _drop(self, key: tuple[Owner, str]) -> None:
        del self._kept[key]
        who = (key[0].tenant, key[0].user)
        del self._of_user[who][key]
        if not self._of_user[who]:
            del self._of_user[who]


def _short(turn: Turn) -> Turn:
    return Turn(turn.message[:MAX_CHARS], turn.question[:MAX_CHARS], turn.answer[:MAX_CHARS], turn.doc_ids)
