"""The one interface of both engines: what may be asked, and what comes back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from types import MappingProxyType
from typing import Any, Literal, Protocol

from msgspec import Struct

from searchloom.settings import EngineName


@dataclass(frozen=True, slots=True)
class GenerationMeta:
    """What an index says of itself (kept in the mapping's ``_meta``, so it lives and dies with the data).

    ``loaded_seq``: every commit of the manifest up to this number is in the index.
    """

    corpus: str
    embedding_version: str
    dims: int
    loaded_seq: int = 0


@dataclass(frozen=True, slots=True)
class Access:
    """Whose documents may be seen: one tenant, and in it the groups of the user (``everyone`` is always added)."""

    tenant: str
    groups: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Conditions:
    """What every chunk found must also fulfil; of the names of one field any may do, an empty tuple asks nothing.

    ``phrases`` stand in the chunk word by word. ``after`` and ``before`` are days in UTC: the document was last
    modified on the first or later, and earlier than the second.
    """

    phrases: tuple[str, ...] = ()
    mime: tuple[str, ...] = ()
    language: tuple[str, ...] = ()
    section: tuple[str, ...] = ()
    after: date | None = None
    before: date | None = None


ANYTHING = Conditions()


@dataclass(frozen=True, slots=True)
class Write:
    """One chunk to be written or deleted, at the document's ``seq`` (external version)."""

    action: Literal["index", "delete"]
    chunk_id: str
    seq: int
    source: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one write: done; already there at this seq or a later one; or refused for good, with a reason."""

    chunk_id: str
    status: Literal["written", "deleted", "current", "refused"]
    reason: str = ""


class Hit(Struct, frozen=True):
    """One chunk that an engine found; ``source`` holds the stored fields without the vector.

    A struct, because a search makes hundreds of them: a tuple takes twice as long to make, a frozen dataclass eight
    times.
    """

    chunk_id: str
    doc_id: str
    score: float
    source: Mapping[str, Any] = MappingProxyType({})
    highlight: str = ""  # the best passage, matches between <em> and </em>, everything else HTML-escaped


@dataclass(frozen=True, slots=True)
class Lexical:
    """What BM25 found; and for words that no chunk of the index holds, words that are spelt much like them."""

    hits: list[Hit]
    unknown: dict[str, tuple[str, ...]] = field(default_factory=dict)


class Loader(Protocol):
    """The writing side (synchronous: DAG tasks and the command line)."""

    name: EngineName

    def create(self, index: str, meta: GenerationMeta) -> None:
        """Create an empty index for a generation; ``Terminal`` if it exists with another meta."""

    def drop(self, index: str) -> None:
        """Delete an index, if it is there."""

    def meta(self, index: str) -> GenerationMeta | None:
        """What the index says of itself; None where there is no such index."""

    def set_loaded(self, index: str, seq: int) -> None:
        """Note that every commit up to ``seq`` is in the index."""

    def write(self, index: str, writes: Iterable[Write]) -> Iterator[Outcome]:
        """Write and delete in bulk; one outcome a write, in any order. Transient refusals are retried first."""

    def refresh(self, index: str) -> None:
        """Make everything written visible to searches."""

    def count(self, index: str) -> int:
        """Number of chunks in the index."""

    def versions(self, index: str, chunk_ids: Sequence[str]) -> dict[str, int]:
        """External version (``seq``) of each of these chunks that is there."""

    def point_alias(self, alias: str, index: str | None) -> None:
        """Point the alias at this index alone, atomically; None takes the alias away."""

    def alias_target(self, alias: str) -> str | None:
        """The index behind an alias; None where there is none."""

    def close(self) -> None:
        """Let go of the connections."""


class Searcher(Protocol):
    """The reading side (asynchronous: the query module)."""

    name: EngineName

    async def bm25(
        self,
        index: str,
        query: str,
        access: Access,
        *,
        size: int,
        timeout_s: float,
        conditions: Conditions = ANYTHING,
        highlight: bool = True,
    ) -> list[Hit]:
        """The ``size`` best chunks by BM25, best first; highlighting many of them takes longer than finding them."""

    async def lexical(
        self,
        index: str,
        query: str,
        access: Access,
        *,
        size: int,
        timeout_s: float,
        conditions: Conditions = ANYTHING,
        words: Sequence[str] = (),
        columns: Sequence[str] = (),
    ) -> Lexical:
        """The same ranking, slim: a hit's ``source`` holds ``columns`` alone; of ``words`` the unknown are told."""

    async def vector(
        self,
        index: str,
        embedding: Sequence[float],
        access: Access,
        *,
        size: int,
        timeout_s: float,
        conditions: Conditions = ANYTHING,
        columns: Sequence[str] | None = None,
    ) -> list[Hit]:
        """The ``size`` nearest chunks by cosine, best first; ``embedding`` is ``[dims] float``."""

    async def spelling(
        self, index: str, unknown: Mapping[str, Sequence[str]], access: Access, *, timeout_s: float
    ) -> dict[str, str]:
        """For words that stand in nothing the caller may see, the best of their candidates that does."""

    async def suggest(self, index: str, prefix: str, access: Access, *, size: int, timeout_s: float) -> list[Hit]:
        """Chunks, one a document, whose title holds all words, the last of which may be unfinished; best first."""

    async def show(
        self, index: str, query: str, chunk_ids: Sequence[str], access: Access, *, highlight: bool, timeout_s: float
    ) -> dict[str, Hit]:
        """These chunks with all their fields, each with its passage: highlighted, or the head of its text."""

    async def chunks(
        self,
        index: str,
        access: Access,
        *,
        chunk_ids: Sequence[str] = (),
        doc_ids: Sequence[str] = (),
        vectors: bool = False,
        timeout_s: float,
    ) -> list[Hit]:
        """These chunks, and the first chunk of these documents, as far as the caller may see them; in no order."""

    async def ping(self) -> bool:
        """Whether the engine answers."""

    async def close(self) -> None:
        """Let go of the connections."""
