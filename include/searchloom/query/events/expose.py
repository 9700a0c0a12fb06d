"""What the service itself showed to somebody, as events: with the place, the release and the arm."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from searchloom.query.auth import Caller
from searchloom.query.events.schema import Record
from searchloom.query.schemas import SearchAnswer

NOTHING = "-"
"""What stands for the document where none was found."""


def shown(
    doc_ids: Sequence[str],
    caller: Caller,
    *,
    corpus: str,
    release: int,
    scene: str,
    trace_id: str,
    query: str | None = None,
    arm: str | None = None,
    first: int = 1,
    told: Mapping[str, Mapping[str, float]] | None = None,
    teams: Mapping[str, str] | None = None,
) -> list[Record]:
    """One expose event a document, in the order in which they were shown; ``first`` is the place of the first.

    ``told`` is what each part said of them, ``teams`` who placed them in an interleaved list.
    """
    now = datetime.now(UTC)
    return [
        Record(
            event_id=uuid.uuid4().hex,
            time=now,
            user_id=caller.user,
            tenant=caller.access.tenant,
            type="expose",
            item_id=doc_id,
            position=place,
            query=query,
            trace_id=trace_id,
            release=release,
            arm=arm,
            corpus=corpus,
            scene=scene,
            scores=dict(told[doc_id]) if told and doc_id in told else None,
            team=(teams or {}).get(doc_id),
        )
        for place, doc_id in enumerate(doc_ids, start=first)
    ]


def search_shown(answer: SearchAnswer, caller: Caller, *, first: int) -> list[Record]:
    """The expose events of a page of results; ``first`` is the place of its first result in the whole ranking.

    A search that finds nothing is told by one event of type ``empty``.
    """
    ids = [result.doc_id for result in answer.results]
    found = shown(
        ids or [NOTHING],
        caller,
        corpus=answer.corpus,
        release=answer.release,
        scene="search",
        trace_id=answer.trace_id,
        query=answer.query.text,
        arm=answer.arm,
        first=first,
        told=answer.told,
        teams=answer.teams,
    )
    if ids:
        return found
    return [record.model_copy(update={"type": "empty", "position": None}) for record in found if first == 1]
