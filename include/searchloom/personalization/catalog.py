"""What is known of items beside behaviour: titles, categories, tags, years, vectors of their texts."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from searchloom.errors import Terminal
from searchloom.personalization.events import seconds
from searchloom.personalization.sparse import Rows

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Item:
    """One item; all but the id may be missing. ``published`` in seconds since 1970."""

    item_id: str
    title: str = ""
    text: str = ""
    category: str = ""
    tags: tuple[str, ...] = ()
    year: int | None = None
    published: float | None = None

    @property
    def kinds(self) -> tuple[str, ...]:
        """Category and tags, each once."""
        return tuple(dict.fromkeys(filter(None, (self.category, *self.tags))))


def item_of(row: Mapping[str, Any]) -> Item:
    """Read one item; raises ``Terminal`` where there is no id."""
    if row.get("item_id") in {None, ""}:
        raise Terminal(f"an item has no item_id: {json.dumps(row)[:200]}")
    tags = row.get("tags") or ()
    if isinstance(tags, str):
        tags = [part.strip() for part in tags.replace("|", ",").split(",")]
    return Item(
        item_id=str(row["item_id"]),
        title=str(row.get("title") or ""),
        text=str(row.get("text") or ""),
        category=str(row.get("category") or ""),
        tags=tuple(str(tag) for tag in tags if str(tag)),
        year=_year(row.get("year")),
        published=seconds(row["published"]) if row.get("published") else None,
    )


def read_jsonl(path: Path) -> Iterator[Item]:
    """Yield the items of a file; lines that are none are counted and left out."""
    broken = 0
    with path.open(encoding="utf-8") as file:
        for line in file:
            try:
                yield item_of(json.loads(line))
            except (ValueError, AttributeError, Terminal):
                broken += bool(line.strip())
    if broken:
        log.warning("%d lines of %s are no items; they are left out", broken, path.name)


@dataclass(frozen=True, slots=True)
class Catalog:
    """Items in a fixed order, with a vector each (unit length; zeros where there is no text)."""

    items: Sequence[Item]
    vectors: NDArray[np.float32]

    def tables(self) -> tuple[list[str], list[str], Rows]:
        """Names of categories, names of kinds, and which kinds each item has (the shares of a unit vector)."""
        categories = sorted({item.category for item in self.items if item.category})
        names = sorted({kind for item in self.items for kind in item.kinds})
        place = {name: number for number, name in enumerate(names)}
        kinds = [[place[kind] for kind in item.kinds] for item in self.items]
        starts = np.concatenate([[0], np.cumsum([len(each) for each in kinds])]).astype(np.int64)
        columns = np.array([each for row in kinds for each in row], np.int32)
        values = np.array([len(row) ** -0.5 for row in kinds for _ in row], np.float32)
        return categories, names, Rows(starts, columns, values)


def complete(items: Iterable[Item], ids: Sequence[str]) -> list[Item]:
    """The items of ``ids`` in that order; of those that nobody described only the id is known."""
    known = {item.item_id: item for item in items}
    return [known.get(item_id) or Item(item_id) for item_id in ids]


def _year(value: Any) -> int | None:
    try:
        year = int(float(value))
    except (TypeError, ValueError):
        return None
    return year or None
