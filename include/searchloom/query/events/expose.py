"""What the service itself showed to somebody, as events: with the place, the release and the arm."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime

from searchloom.query.auth import Caller
from searchloom.query.events.schema import Record


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
) -> list[Record]:
    """One expose event a document, in the order in which they were shown; ``first`` is the place of the first."""
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
        )
        for place, doc_id in enumerate(doc_ids, start=first)
    ]
