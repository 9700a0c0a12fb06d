"""AIRec's documents and recommendations as values, and its documented rules: what is too big or wrong stays here.

Rules: https://help.aliyun.com/en/airec/developer-reference/
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from searchloom.errors import UsageError

Table = Literal["item", "user", "behavior"]

MAX_ROWS = 800
MAX_BODY_BYTES = 1024 * 1024
MAX_ROW_BYTES = 10 * 1024
MAX_RETURNED = 50
MAX_ITEM_ID = 50
ITEM_TYPES = frozenset({"image", "article", "video", "shortvideo", "item", "recipe", "audio"})

_REQUIRED: dict[Table, tuple[str, ...]] = {
    "item": ("item_id", "item_type"),
    "user": ("user_id",),
    "behavior": ("user_id", "item_id", "item_type", "bhv_type", "bhv_time", "trace_id"),
}


@dataclass(frozen=True, slots=True)
class Row:
    """One document of a table. Values are strings, times in seconds since 1970; behaviour can only be added."""

    fields: Mapping[str, str]
    cmd: Literal["add", "update", "delete"] = "add"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a row; ``reason`` is a sentence where it was rejected."""

    row: Row
    ok: bool
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Recommendation:
    """One recommended item. ``trace_id`` and ``trace_info`` go back, unchanged, with the behaviour that follows."""

    item_id: str
    item_type: str
    weight: float
    position: int
    trace_id: str
    trace_info: str
    match_info: str


def flaw(table: Table, row: Row) -> str:
    """Say what the service would refuse in a row; empty where nothing is known against it."""
    return next(_flaws(table, row), "")


def _flaws(table: Table, row: Row) -> Iterator[str]:
    for name, value in row.fields.items():
        if not isinstance(value, str):
            yield f"field {name!r} is {value!r}, not a string"
    for name in _REQUIRED[table]:
        if not row.fields.get(name):
            yield f"field {name!r} is missing"
    if table == "behavior" and row.cmd != "add":
        yield f"behaviour can only be added, not changed by {row.cmd!r}"
    item_id = row.fields.get("item_id", "a")
    if not (item_id.isascii() and item_id.isalnum() and len(item_id) <= MAX_ITEM_ID):
        yield f"item_id {item_id!r} is not made of at most {MAX_ITEM_ID} letters and digits"
    if (kind := row.fields.get("item_type", "item")) not in ITEM_TYPES:
        yield f"item_type {kind!r} is none of {', '.join(sorted(ITEM_TYPES))}"
    if (size := len(encoded(row))) > MAX_ROW_BYTES:
        yield f"the document has {size:,} bytes, {MAX_ROW_BYTES:,} are allowed"


def encoded(row: Row) -> bytes:
    """A row as the SDK writes it."""
    document = {"cmd": row.cmd, "fields": dict(row.fields)}
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def batches(rows: Iterable[Row]) -> Iterator[list[Row]]:
    """Cut rows that have no flaw into requests of at most 800 rows and 1 MB."""
    batch: list[Row] = []
    size = 2  # the brackets of the list; each row brings a comma
    for row in rows:
        length = len(encoded(row)) + 1
        if batch and (len(batch) == MAX_ROWS or size + length > MAX_BODY_BYTES):
            yield batch
            batch, size = [], 2
        batch.append(row)
        size += length
    if batch:
        yield batch


def recommend_query(
    *,
    user_id: str,
    scene_id: str,
    count: int,
    items: Sequence[tuple[str, str]] = (),
    filters: Mapping[str, Any] | None = None,
    device_id: str | None = None,
    rank: bool | None = None,
) -> dict[str, str]:
    """The query of a Recommend call; raises ``UsageError`` for a count outside 0-50.

    ``items`` (id, type) are base items: the recommendations are related to them, as on an item's own page.
    ``filters`` is AIRec's filter expression; it travels as Base64 with ``-_.`` in the place of ``+/=``.
    """
    if not 0 <= count <= MAX_RETURNED:
        raise UsageError(f"{count} recommendations are not possible in one call; ask for 0 to {MAX_RETURNED}")
    query = {"userId": user_id, "sceneId": scene_id, "returnCount": str(count)}
    if items:
        query["items"] = ",".join(f"{item_id}:{kind}" for item_id, kind in items)
    if filters is not None:
        query["filter"] = base64.b64encode(json.dumps(filters).encode(), altchars=b"-_").decode().replace("=", ".")
    if device_id is not None:
        query["imei"] = device_id
    if rank is not None:
        query["rankOpen"] = str(rank)
    return query


def recommendations(body: Mapping[str, Any]) -> list[Recommendation]:
    """The recommended items of an answer, in its order."""
    return [
        Recommendation(
            item_id=str(item["itemId"]),
            item_type=str(item.get("itemType") or ""),
            weight=float(item.get("weight") or 0),
            position=int(item.get("position") or 0),
            trace_id=str(item.get("traceId") or ""),
            trace_info=str(item.get("traceInfo") or ""),
            match_info=str(item.get("matchInfo") or ""),
        )
        for item in body.get("result") or []
    ]
