"""Documents of several tenants and groups on the same subjects, each with words that nobody else may ever see."""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import cache

from searchloom.engines.interface import Access, Write
from searchloom.schemas import EVERYONE, chunk_id, content_sha256, doc_id, embedding_text
from tests.query.tiny_embedding import encode

CORPUS = "leaks"
TENANTS = ("north", "south", "east", "west")
GROUPS = ("sales", "legal")
_SUBJECTS = (
    ("pump", "The pump moves water through the loop at a steady pressure."),
    ("invoice", "The invoice lists the price of each part and the day of payment."),
    ("holiday", "A holiday is asked for two weeks before it begins."),
    ("contract", "The contract ends after three years unless it is prolonged."),
)
_LETTERS = "bcdfghjklmnpqrstvwxz"


@dataclass(frozen=True)
class Secret:
    """A document; ``handle`` is a word that a stranger may know, ``kept`` are words that they must never learn."""

    name: str
    tenant: str
    group: str
    subject: str
    text: str
    handle: str
    kept: tuple[str, str, str]

    @property
    def id(self) -> str:
        """Our id of it."""
        return doc_id(CORPUS, self.name)

    @property
    def title(self) -> str:
        """Its title, with a secret."""
        return f"{self.subject} {self.handle} {self.kept[0]}"

    @property
    def section(self) -> str:
        """Its section, with a secret."""
        return f"part {self.kept[1]}"

    @property
    def whole(self) -> str:
        """Its text, with a secret."""
        return f"{self.text} It is known as {self.handle}. The secret word is {self.kept[2]}."

    def told_by(self, answer: str) -> list[str]:
        """Which of its words, or ids, an answer tells."""
        return [word for word in (*self.kept, self.id, chunk_id(self.id, 0)) if word in answer.lower()]

    def seen_by(self, access: Access) -> bool:
        """Whether a caller may see it."""
        return self.tenant == access.tenant and self.group in {*access.groups, EVERYONE}


@cache
def documents() -> tuple[Secret, ...]:
    """Twelve documents of each tenant: every subject for everyone, and for each group."""
    chance = random.Random(20261121)

    def word() -> str:
        return "".join(chance.choice(_LETTERS) for _ in range(11))

    return tuple(
        Secret(f"{tenant}-{group}-{subject}", tenant, group, subject, text, word(), (word(), word(), word()))
        for tenant in TENANTS
        for group in (EVERYONE, *GROUPS)
        for subject, text in _SUBJECTS
    )


def writes() -> list[Write]:
    """All of them, as the loader writes them."""
    return [Write("index", chunk_id(one.id, 0), 1, _source(one)) for one in documents()]


def _source(one: Secret) -> dict[str, object]:
    whole = embedding_text(one.title, one.section, one.whole)
    return {
        "doc_id": one.id,
        "source_id": one.name,
        "key": one.name,
        "ordinal": 0,
        "title": one.title,
        "section": one.section,
        "text": one.whole,
        "language": "en",
        "mime": "text/plain",
        "tenant": one.tenant,
        "groups": [one.group],
        "last_modified": 1_700_000_000_000,
        "content_sha256": content_sha256(whole),
        "seq": 1,
        "embedding": encode([whole])[0].tolist(),
    }
