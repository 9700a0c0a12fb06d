"""What only those may do who run the service: the role ``admin`` is in their token."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, FastAPI
from pydantic import BaseModel, Field

from searchloom.query import failures
from searchloom.query.auth import Caller
from searchloom.query.parts import Parts, admin_of, parts_of


class Forgotten(BaseModel):
    """How much was forgotten."""

    conversations: int


class Backlog(BaseModel):
    """Events on their way to the object store."""

    waiting_bytes: int = Field(description="on the disk of this process's machine")
    last_failure: str = Field(description="why the last upload failed; empty where it did not")


def add(app: FastAPI) -> None:
    """Add the paths below ``/v1/admin``."""
    documented = failures.of(401, 403, 422, 429, 500, 503)

    @app.delete("/v1/admin/conversations/{user}", responses=documented, tags=["admin"])
    async def forget(
        user: str,
        parts: Annotated[Parts, Depends(parts_of)],
        caller: Annotated[Caller, Depends(admin_of)],
    ) -> Forgotten:
        """Forget all conversations of a user of the caller's own tenant, on this host."""
        return Forgotten(conversations=await parts.channels.memory.forget(caller.access.tenant, user))

    @app.get("/v1/admin/events", responses=documented, tags=["admin"])
    async def backlog(
        parts: Annotated[Parts, Depends(parts_of)], _caller: Annotated[Caller, Depends(admin_of)]
    ) -> Backlog:
        """Say how many events wait for the object store."""
        log = parts.channels.events
        return Backlog(waiting_bytes=log.waiting_bytes, last_failure=log.last_failure)
