"""Page tokens: where the next page goes on, for whoever asked for the one before.

A token holds which documents were shown, in five bytes each, so a document is shown once and none is passed over, even
where the order has changed meanwhile: by a load, by another engine's last digit, by a reranker that was late. It is
bound to the search that made it and to that release; it opens nothing, for every page is asked with the caller's own
rights.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from searchloom.engines.interface import Access
from searchloom.errors import UsageError
from searchloom.query.schemas import SearchRequest

_VERSION = 1
_DIGEST = 8  # bytes
_SHOWN = 5  # bytes of a document's id; two of a thousand documents share them once in two million searches
_HEAD = 1 + 4 + _DIGEST
_NOT_PART_OF_THE_SEARCH = {"page_token", "k", "explain", "highlight", "facets", "offset"}


@dataclass(frozen=True, slots=True)
class Position:
    """How far a search has been shown: the release that it is of, and the documents, shortened."""

    release: int
    shown: frozenset[bytes]

    @property
    def offset(self) -> int:
        """How many documents were shown."""
        return len(self.shown)

    def holds(self, doc_id: str) -> bool:
        """Whether a document was shown."""
        return _short(doc_id) in self.shown


def read(request: SearchRequest, access: Access) -> Position | None:
    """Return how far the search has been shown; None at its beginning.

    Raises ``UsageError`` for a token that is damaged, or of another search.
    """
    if request.page_token is None:
        return None
    try:
        padded = request.page_token.encode("ascii") + b"=" * (-len(request.page_token) % 4)
        raw = base64.b64decode(padded, altchars=b"-_", validate=True)
    except (UnicodeEncodeError, binascii.Error) as error:
        raise _damaged() from error
    head, rest = raw[:_HEAD], raw[_HEAD:]
    if len(head) != _HEAD or head[0] != _VERSION or len(rest) % _SHOWN:
        raise _damaged()
    if head[5:] != digest(request, access):
        raise UsageError(
            "page_token: it belongs to another search; send the same query, corpus, mode and filters, "
            "or leave it out to start over"
        )
    shown = frozenset(rest[at : at + _SHOWN] for at in range(0, len(rest), _SHOWN))
    return Position(int.from_bytes(head[1:5]), shown)


def token(request: SearchRequest, access: Access, release: int, before: Position | None, page: Sequence[str]) -> str:
    """Return the token for the page after this one, which shows the documents ``page``."""
    shown = sorted((before.shown if before else frozenset()) | {_short(doc_id) for doc_id in page})
    raw = bytes([_VERSION]) + release.to_bytes(4) + digest(request, access) + b"".join(shown)
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def digest(request: SearchRequest, access: Access) -> bytes:
    """What is asked, and with which rights: the same for every page of a search."""
    asked = request.model_dump_json(exclude=_NOT_PART_OF_THE_SEARCH)
    rights = "\0".join((access.tenant, *sorted(access.groups)))
    return hashlib.blake2b(f"{asked}\0{rights}".encode(), digest_size=_DIGEST).digest()


def _short(doc_id: str) -> bytes:
    return hashlib.blake2b(doc_id.encode(), digest_size=_SHOWN).digest()


def _damaged() -> UsageError:
    return UsageError("page_token: it cannot be read; send the next_page of an answer as it came")
