"""The reading side of an engine: BM25 and nearest neighbours, both behind the tenant's filters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import gt
from typing import Any
from urllib.parse import quote

from msgspec import Struct
from msgspec.json import Decoder
from pydantic_core import from_json

from searchloom.engines.dialect import Dialect
from searchloom.engines.interface import ANYTHING, Access, Conditions, Hit, Lexical
from searchloom.engines.lexical import conditions as condition_clauses
from searchloom.engines.lexical import (
    filters,
    highlighting,
    lexical_query,
    passage,
    passages_query,
    prefix_query,
    spelling_request,
    word_query,
)
from searchloom.engines.wire import AsyncWire, Read
from searchloom.errors import SearchloomError, ServiceNotFound, UsageError
from searchloom.settings import EngineName

MIN_CANDIDATES = 2000
MAX_CANDIDATES = 10_000
"""How many neighbours the graph search keeps in sight. Over 13,271 chunks, 200 nearest: at 400 OpenSearch finds .991
of them and Elasticsearch .959, at 2000 both find all, and no slower (11 to 14 ms either way)."""

_SOURCE = {"excludes": ["embedding"]}
# Equal scores are put in the same order by both engines, also where the page is cut.
_ORDER: list[Any] = ["_score", {"doc_id": "asc"}, {"ordinal": "asc"}]


class _SlimEntry(Struct):
    sort: tuple[float, str, int]  # as _ORDER says
    fields: dict[str, list[Any]] = {}


class _SlimHits(Struct):
    hits: list[_SlimEntry]


class _SlimAnswer(Struct):
    """What is read of an answer of slim hits; the rest of it is passed over, which takes a third of the time."""

    hits: _SlimHits
    suggest: dict[str, Any] = {}


_read_slim = Decoder(_SlimAnswer).decode


class EngineSearcher:
    """A ``Searcher`` for any dialect."""

    def __init__(self, dialect: Dialect, wire: AsyncWire) -> None:
        self.name: EngineName = dialect.name
        self._dialect = dialect
        self._wire = wire

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
        """The ``size`` best chunks by BM25, best first; nothing for a query without words.

        Without ``highlight`` a hit shows the head of its text. Highlighting two hundred chunks takes several times as
        long as finding them: ask ``show`` for those that are shown.
        """
        body = _lexical_body(query, access, conditions, size) | {"_source": _SOURCE}
        if highlight:
            body["highlight"] = highlighting()
        found = _hits(await self._search(index, body, timeout_s))
        return [_hit(entry, self._dialect.lexical_score(entry["_score"])) for entry in found]

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
        """The ranking of ``bm25``, slim: a hit's ``source`` holds ``ordinal`` and ``columns`` alone.

        Its ``chunk_id`` is empty: ``rank.chunk_of`` makes the few that are needed.
        """
        body = _lexical_body(query, access, conditions, size) | _slim(columns)
        if words:
            body["suggest"] = spelling_request(words)
        answer = await self._slim(index, body, timeout_s)
        scale = self._dialect.lexical_score(1.0)
        found = answer.hits.hits
        hits = _slim_hits(found, [entry.sort[0] * scale for entry in found])
        told = answer.suggest.get("words", [])
        unknown = {entry["text"]: tuple(option["text"] for option in entry["options"]) for entry in told}
        return Lexical(hits, {word: candidates for word, candidates in unknown.items() if candidates})

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
        """The ``size`` nearest chunks, best first; ``embedding`` is ``[dims] float``, scores are cosines in [-1, 1].

        With ``columns`` a hit is slim, as from ``lexical``.
        """
        candidates = min(max(2 * size, MIN_CANDIDATES), MAX_CANDIDATES)
        narrowed = [*filters(access), *condition_clauses(conditions)]
        body = self._dialect.vector_search(embedding, narrowed, size=size, candidates=candidates)
        body |= {"track_total_hits": False} | ({"_source": _SOURCE} if columns is None else _slim(columns))
        if columns is None:
            found = _hits(await self._search(index, body, timeout_s))
            hits = [_hit(entry, _cosine(entry["_score"])) for entry in found]
        else:
            slim = (await self._slim(index, body, timeout_s)).hits.hits
            hits = _slim_hits(slim, [_cosine(entry.sort[0]) for entry in slim])
        scores = [hit.score for hit in hits]
        if all(map(gt, scores, scores[1:])):  # as nearly always: no two alike
            return hits
        return sorted(hits, key=lambda hit: (-hit.score, hit.doc_id, hit.source["ordinal"]))

    async def spelling(
        self, index: str, unknown: Mapping[str, Sequence[str]], access: Access, *, timeout_s: float
    ) -> dict[str, str]:
        """For words that stand in nothing the caller may see, the best of their candidates that does.

        Candidates come from the whole index; what is counted, and so what is told, is the caller's alone.
        """
        asked = {word for pair in unknown.items() for word in (pair[0], *pair[1])}
        body = {
            "size": 0,
            "query": {"bool": {"filter": filters(access)}},
            "track_total_hits": False,
            "aggs": {"words": {"filters": {"filters": {word: word_query(word) for word in sorted(asked)}}}},
        }
        counted = (await self._search(index, body, timeout_s))["aggregations"]["words"]["buckets"] if asked else {}
        there = {word for word, bucket in counted.items() if bucket["doc_count"]}
        return {
            word: best
            for word, candidates in unknown.items()
            if word not in there and (best := next((one for one in candidates if one in there), None))
        }

    async def suggest(self, index: str, prefix: str, access: Access, *, size: int, timeout_s: float) -> list[Hit]:
        """Chunks, one a document, whose title holds all words, the last of which may be unfinished; best first."""
        body = {
            "size": size,
            "query": prefix_query(prefix, access),
            "sort": ["_score", {"doc_id": "asc"}],
            "collapse": {"field": "doc_id"},
            "track_scores": True,
            "track_total_hits": False,
            "_source": ["doc_id", "title", "text"],
        }
        found = _hits(await self._search(index, body, timeout_s))
        return [_hit(entry, self._dialect.lexical_score(entry["_score"])) for entry in found]

    async def show(
        self, index: str, query: str, chunk_ids: Sequence[str], access: Access, *, highlight: bool, timeout_s: float
    ) -> dict[str, Hit]:
        """These chunks with all their fields; one without any of the query's words shows the head of its text."""
        if not chunk_ids:
            return {}
        body = {
            "size": len(chunk_ids),
            "query": passages_query(query, access, chunk_ids),
            "track_total_hits": False,
            "_source": _SOURCE,
        }
        if highlight:
            body["highlight"] = highlighting()
        found = _hits(await self._search(index, body, timeout_s))
        return {entry["_id"]: _hit(entry, entry["_score"]) for entry in found}

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
        return [_hit(entry, 0.0) for entry in _hits(await self._search(index, body, timeout_s))]

    async def _slim(self, index: str, body: dict[str, Any], timeout_s: float) -> _SlimAnswer:
        answer: _SlimAnswer = await self._search(index, body, timeout_s, _read_slim)
        return answer

    async def _search(self, index: str, body: dict[str, Any], timeout_s: float, read: Read = from_json) -> Any:
        try:
            path = f"/{quote(index, safe='')}/_search"
            return await self._wire.call("POST", path, body, timeout_s=timeout_s, read=read)
        except ServiceNotFound as error:
            raise UsageError(f"there is no index {index!r} in {self.name}; load the corpus first") from error

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


def _lexical_body(query: str, access: Access, narrowed: Conditions, size: int) -> dict[str, Any]:
    return {
        "size": size,
        "query": lexical_query(query, access, narrowed),
        "sort": _ORDER,
        "track_scores": True,
        "track_total_hits": False,
    }


def _slim(columns: Sequence[str]) -> dict[str, Any]:
    """Read nothing of the stored documents, not even their ids: they hold vectors, to be passed over one by one.

    What a hit is called comes with its place in the order; finding two hundred takes half of the time so.
    """
    return {"stored_fields": "_none_", "docvalue_fields": list(columns), "sort": _ORDER, "track_scores": True}


def _hits(answer: dict[str, Any]) -> list[dict[str, Any]]:
    hits: list[dict[str, Any]] = answer["hits"]["hits"]
    return hits


def _hit(entry: dict[str, Any], score: float) -> Hit:
    source = entry["_source"]
    words = passage(entry.get("highlight", {}), source["text"])
    return Hit(entry["_id"], source["doc_id"], score, source, words)


def _cosine(score: float) -> float:
    """Return the cosine to six digits, to which both engines agree; they report (1 + cosine) / 2."""
    return round(2_000_000 * score - 1_000_000) / 1_000_000  # rounding to a number of digits takes twice as long


def _slim_hits(entries: Sequence[_SlimEntry], scores: Sequence[float]) -> list[Hit]:
    return [
        Hit("", entry.sort[1], score, _columns(entry) if entry.fields else {"ordinal": entry.sort[2]})
        for entry, score in zip(entries, scores, strict=True)
    ]


def _columns(entry: _SlimEntry) -> dict[str, Any]:
    return {"ordinal": entry.sort[2], **{name: values[0] for name, values in entry.fields.items()}}
