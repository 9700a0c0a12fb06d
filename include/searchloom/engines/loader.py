"""The writing side of an engine: generations, bulk writes, what is there, and the alias."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from searchloom.engines.bulk import BulkLimits, write_all
from searchloom.engines.dialect import Dialect
from searchloom.engines.interface import GenerationMeta, Outcome, Write
from searchloom.engines.mapping import index_body, meta_body, meta_of
from searchloom.engines.wire import Wire
from searchloom.errors import ServiceNotFound, ServiceRefused, Terminal
from searchloom.settings import EngineName

_IDS_PER_REQUEST = 1000
_BULK_FIELDS = "items.*.status,items.*.error"


class EngineLoader:
    """A ``Loader`` for any dialect."""

    def __init__(self, dialect: Dialect, wire: Wire, limits: BulkLimits | None = None) -> None:
        self.name: EngineName = dialect.name
        self._dialect = dialect
        self._wire = wire
        self._limits = limits or BulkLimits()

    def create(self, index: str, meta: GenerationMeta) -> None:
        """Create an empty index for a generation; nothing happens if it is there for the same corpus and model."""
        if not self._same_generation(index, meta):
            try:
                self._call("PUT", _path(index), index_body(self._dialect, meta))
            except ServiceRefused:
                # Somebody else may have created it in between: then its meta decides, not who was first.
                if not self._same_generation(index, meta):
                    raise

    def _same_generation(self, index: str, meta: GenerationMeta) -> bool:
        there = self.meta(index)
        if there is not None and replace(there, loaded_seq=0) != replace(meta, loaded_seq=0):
            raise Terminal(
                f"index {index!r} in {self.name} holds corpus {there.corpus!r} with vectors of "
                f"{there.embedding_version!r} ({there.dims} dims), not {meta.corpus!r} with {meta.embedding_version!r} "
                f"({meta.dims} dims); take the next generation number, or delete the index"
            )
        return there is not None

    def drop(self, index: str) -> None:
        """Delete an index, if it is there."""
        try:
            self._call("DELETE", _path(index))
        except ServiceNotFound:
            return

    def meta(self, index: str) -> GenerationMeta | None:
        """What the index says of itself; None where there is no such index."""
        try:
            answer = self._call("GET", _path(index, "_mapping"))
        except ServiceNotFound:
            return None
        return meta_of(index, next(iter(answer.values()))["mappings"])

    def set_loaded(self, index: str, seq: int) -> None:
        """Note that every commit up to ``seq`` is in the index."""
        there = self.meta(index)
        if there is None:
            raise Terminal(f"there is no index {index!r} in {self.name}; create the generation first")
        self._call("PUT", _path(index, "_mapping"), {"_meta": meta_body(replace(there, loaded_seq=seq))})

    def write(self, index: str, writes: Iterable[Write]) -> Iterator[Outcome]:
        """Write and delete in bulk; one outcome a write, in any order. Transient refusals are retried first."""

        def send(body: bytes) -> Sequence[dict[str, Any]]:
            answer = self._wire.call("POST", _path(index, "_bulk"), body, params={"filter_path": _BULK_FIELDS})
            items: list[dict[str, Any]] = answer["items"]
            return items

        if self.meta(index) is None:
            # Both engines would make the index up on the spot, with fields of their own guessing.
            raise ServiceNotFound(f"there is no index {index!r} in {self.name}; create the generation first")
        yield from write_all(send, writes, self._limits)

    def refresh(self, index: str) -> None:
        """Make everything written visible to searches."""
        self._call("POST", _path(index, "_refresh"))

    def count(self, index: str) -> int:
        """Number of chunks in the index, as of the last refresh."""
        return int(self._call("GET", _path(index, "_count"))["count"])

    def versions(self, index: str, chunk_ids: Sequence[str]) -> dict[str, int]:
        """External version (``seq``) of each of these chunks that is there, refreshed or not."""
        found: dict[str, int] = {}
        for start in range(0, len(chunk_ids), _IDS_PER_REQUEST):
            ids = list(chunk_ids[start : start + _IDS_PER_REQUEST])
            answer = self._call("POST", _path(index, "_mget"), {"ids": ids}, _source="false")
            found.update({doc["_id"]: int(doc["_version"]) for doc in answer["docs"] if doc.get("found")})
        return found

    def point_alias(self, alias: str, index: str | None) -> None:
        """Point the alias at this index alone, atomically; None takes the alias away."""
        actions = [{"remove": {"index": old, "alias": alias}} for old in self._behind(alias) if old != index]
        if index is not None:
            actions.append({"add": {"index": index, "alias": alias}})
        if actions:
            self._call("POST", "/_aliases", {"actions": actions})

    def alias_target(self, alias: str) -> str | None:
        """The index behind an alias; None where there is none."""
        indices = self._behind(alias)
        if len(indices) > 1:
            names = ", ".join(indices)
            raise Terminal(f"alias {alias!r} in {self.name} points at {names}; promote a release to point it at one")
        return indices[0] if indices else None

    def _behind(self, alias: str) -> list[str]:
        try:
            return sorted(self._call("GET", f"/_alias/{quote(alias, safe='')}"))
        except ServiceNotFound:
            return []

    def _call(self, method: str, path: str, body: dict[str, Any] | None = None, **params: str) -> Any:
        """Send one request; all of them may be repeated, so a busy or restarting engine is waited for."""
        for attempt in self._limits.retries():
            with attempt:
                return self._wire.call(method, path, body, params=params)
        raise AssertionError("a retry context returns or raises")

    def close(self) -> None:
        """Let go of the connections."""
        self._wire.close()


def _path(index: str, operation: str = "") -> str:
    """Path of an index; a name with odd characters stays one name."""
    return f"/{quote(index, safe='')}" + (f"/{operation}" if operation else "")
