"""The reading side of an engine: BM25 and nearest neighbours, both behind the tenant's filters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from searchloom.engines.dialect import Dialect
from searchloom.engines.interface import Access, Hit
from searchloom.engines.lexical import filters, highlighting, lexical_query, passage, passages_query
from searchloom.engines.wire import AsyncWire
from searchloom.errors import SearchloomError, ServiceNotFound, UsageError
from searchloom.settings import EngineName

MIN_CANDIDATES = 2000
MAX_CANDIDATES = 10_000
"""How many neighbours the graph search keeps in sight. Over 13,271 chunks, 200 nearest: at 400 OpenSearch finds .991
of them and Elasticsearch .959, at 2000 both find all, and no slower (11 to 14 ms either way)."""

_SOURCE = {"excludes": ["embedding"]}
# Equal scores are put in the same order by both engines, also where the page is cut.
_ORDER: list[Any] = ["_score", {"doc_id": "asc"}, {"ordinal": "asc"}]


class EngineSearcher:
    """A ``Searcher`` for any dialect."""

    def __init__(self, dialect: Dialect, wire: AsyncWire) -> None:
        self.name: EngineName = dialect.name
        self._dialect = dialect
        self._wire = wire

    async def bm25(
        self, index: str, query: str, access: Access, *, size: int, timeout_s: float, highlight: bool = True
    ) -> list[Hit]:
        """The ``size`` best chunks by BM25, best first; nothing for a query without words.

        Without ``highlight`` a hit shows the head of its text. Highlighting two hundred chunks takes several times as
        long as finding them: ask ``passages`` for those that are shown.
        """
        body = {
            "size": size,
            "query": lexical_query(query, access),
            "sort": _ORDER,
            "track_scores": True,
            "track_total_hits": False,
            "_source": _SOURCE,
        }
        if highlight:
            body["highlight"] = highlighting()
        found = await self._search(index, body, timeout_s)
        return [_hit(entry, self._dialect.lexical_score(entry["_score"])) for entry in found]

    async def vector(
        self, index: str, embedding: Sequence[float], access: Access, *, size: int, timeout_s: float
    ) -> list[Hit]:
        """The ``size`` nearest chunks, best first; ``embedding`` is ``[dims] float``, scores are cosines in [-1, 1]."""
        candidates = min(max(2 * size, MIN_CANDIDATES), MAX_CANDIDATES)
        body = self._dialect.vector_search(embedding, filters(access), size=size, candidates=candidates)
        body |= {"track_total_hits": False, "_source": _SOURCE}
        found = await self._search(index, body, timeout_s)
        # Both engines report (1 + cosine) / 2.
        hits = [_hit(entry, round(2 * entry["_score"] - 1, 6)) for entry in found]
        return sorted(hits, key=lambda hit: (-hit.score, hit.doc_id, hit.source["ordinal"]))

    async def passages(
        self, index: str, query: str, chunk_ids: Sequence[str], access: Access, *, timeout_s: float
    ) -> dict[str, str]:
        """The highlighted passage of each of these chunks; one without any of the query's words shows its head."""
        body = {
            "size": len(chunk_ids),
            "query": passages_query(query, access, chunk_ids),
            "track_total_hits": False,
            "highlight": highlighting(),
            "_source": ["text"],
        }
        found = await self._search(index, body, timeout_s) if chunk_ids else []
        return {entry["_id"]: passage(entry.get("highlight", {}), entry["_source"]["text"]) for entry in found}

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
        """These chunks, and the first chunk of these documents, as far as the caller may see them; in no order.

        What is not there, or not for this caller, is missing. With ``vectors`` each ``source`` holds ``embedding``.
        """
        if not chunk_ids and not doc_ids:
            return []
        first = {"bool": {"filter": [{"terms": {"doc_id": list(doc_ids)}}, {"term": {"ordinal": 0}}]}}
        wanted = {"bool": {"should": [{"ids": {"values": list(chunk_ids)}}, first], "minimum_should_match": 1}}
        body = {
            "size": len(chunk_ids) + len(doc_ids),
            "query": {"bool": {"filter": [*filters(access), wanted]}},
            "track_total_hits": False,
            "_source": {"includes": ["*", "embedding"]} if vectors else _SOURCE,
        }
        return [_hit(entry, 0.0) for entry in await self._search(index, body, timeout_s)]

    async def _search(self, index: str, body: dict[str, Any], timeout_s: float) -> list[dict[str, Any]]:
        try:
            answer = await self._wire.call("POST", f"/{quote(index, safe='')}/_search", body, timeout_s=timeout_s)
        except ServiceNotFound as error:
            raise UsageError(f"there is no index {index!r} in {self.name}; load the corpus first") from error
        hits: list[dict[str, Any]] = answer["hits"]["hits"]
        return hits

    async def ping(self) -> bool:
        """Whether the engine answers within two seconds."""
        try:
            await self._wire.call("GET", "/", timeout_s=2)
        except SearchloomError:
            return False
        return True

    async def close(self) -> None:
        """Let go of the connections."""
        await self._wire.close()


def _hit(entry: dict[str, Any], score: float) -> Hit:
    source = entry["_source"]
    words = passage(entry.get("highlight", {}), source["text"])
    return Hit(entry["_id"], source["doc_id"], score, source, words)
