"""Stops a run that would take out more documents than anyone expects: a bad listing must not empty a search."""

from __future__ import annotations

from typing import Any

from searchloom.errors import Terminal

_REMEDY = 'look at the bucket; if it is meant, run ingest_corpus with conf {"allow_deletes": true}'


class TooManyDeletes(Terminal):
    """More documents would go than the settings allow."""


def check_deletes(corpus: str, gone: int, active: int, guard: dict[str, Any], *, empty_listing: bool = False) -> None:
    """Raise ``TooManyDeletes`` when ``gone`` of the ``active`` documents are too many to be believed.

    ``guard`` holds ``max_delete_ratio``, ``min_deletes_guarded`` and ``allow_deletes``.
    """
    if guard["allow_deletes"] or not gone:
        return
    if empty_listing:
        raise TooManyDeletes(
            f"the listing of corpus {corpus!r} is empty, but {active} documents of it are searchable; {_REMEDY}"
        )
    most = guard["max_delete_ratio"]
    if gone > guard["min_deletes_guarded"] and gone > most * active:
        raise TooManyDeletes(
            f"{gone} of the {active} documents of corpus {corpus!r} would be removed ({gone / active:.0%}, the limit "
            f"ingest.max_delete_ratio is {most:.0%}); {_REMEDY}"
        )
