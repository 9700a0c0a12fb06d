"""Events: what people did with what they were shown."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from fastapi import Depends, FastAPI, Request

from searchloom.query import failures
from searchloom.query.auth import Caller
from searchloom.query.events.schema import EventsAnswer, EventsRequest, Record, Refusal, checked
from searchloom.query.parts import Parts, caller_of, parts_of


def add(app: FastAPI) -> None:
    """Add ``POST /v1/events``."""
    documented = failures.of(400, 401, 413, 422, 429, 500, 503)

    @app.post("/v1/events", status_code=202, responses=documented, tags=["events"])
    async def events(
        request: Request,
        body: EventsRequest,
        parts: Annotated[Parts, Depends(parts_of)],
        caller: Annotated[Caller, Depends(caller_of)],
    ) -> EventsAnswer:
        """Take events; an answer means that those accepted are on disk and will reach the log, at least once."""
        now = datetime.now(UTC)
        judged = [checked(given, caller, now) for given in body.events]
        taken = await parts.channels.events.take([one for one in judged if isinstance(one, Record)])
        request.state.access |= {"events": taken.accepted}
        refused = [Refusal(index=place, reason=one) for place, one in enumerate(judged) if isinstance(one, str)]
        return EventsAnswer(accepted=taken.accepted, duplicates=taken.duplicates, refused=refused)
