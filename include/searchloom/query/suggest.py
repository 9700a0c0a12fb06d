"""Suggestions while somebody types: titles of documents that the caller may see, one of each."""

from __future__ import annotations

from searchloom.engines.interface import Access
from searchloom.query.deadline import Deadline
from searchloom.query.retrieval import Retrieval
from searchloom.query.schemas import Suggestion, Suggestions
from searchloom.release.document import Release

_SPARE = 2
"""Several documents may have one title: so many times as many are asked for."""


async def suggest(
    retrieval: Retrieval, prefix: str, release: Release, access: Access, deadline: Deadline, *, k: int
) -> Suggestions:
    """Return up to ``k`` titles that hold the words typed so far, best first; raises what a search raises."""
    found = await retrieval.suggest(prefix, release, access, deadline, size=_SPARE * k)
    titles: dict[str, Suggestion] = {}
    for hit in found:
        title = " ".join(hit.source["title"].split())
        if title:
            titles.setdefault(title.casefold(), Suggestion(text=title, doc_id=hit.doc_id))
    return Suggestions(suggestions=list(titles.values())[:k])
