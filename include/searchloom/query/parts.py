"""What the routes stand on, and who asks: the dependencies of every route."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from searchloom.engines.interface import Searcher
from searchloom.query.admission import Admission
from searchloom.query.audit import Pseudonyms
from searchloom.query.auth import ADMIN, Authenticator, Caller, Forbidden, Unauthorized
from searchloom.query.channels import Channels
from searchloom.query.limits import Limits
from searchloom.query.model_services import ModelServices
from searchloom.query.personal_models import PersonalModels
from searchloom.query.releases import Releases
from searchloom.query.retrieval import Retrieval
from searchloom.query.search import SearchPipeline
from searchloom.settings import EngineName, Settings

_bearer = HTTPBearer(auto_error=False, description="a JWT with the claims sub, tenant and groups")


@dataclass(frozen=True)
class Parts:
    """What the routes stand on; made once per process."""

    settings: Settings
    authenticator: Authenticator
    releases: Releases
    services: ModelServices
    searchers: Mapping[EngineName, Searcher]
    retrieval: Retrieval
    pipeline: SearchPipeline
    admission: Admission
    limits: Limits
    pseudonyms: Pseudonyms
    channels: Channels
    personal: PersonalModels


async def parts_of(request: Request) -> Parts:
    """Dependency: what this process stands on. Async, or FastAPI would ask a thread for it."""
    parts: Parts = request.app.state.parts
    return parts


async def caller_of(
    request: Request,
    parts: Annotated[Parts, Depends(parts_of)],
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
) -> Caller:
    """Dependency: who asks. Tenant and groups come from the token and from nowhere else."""
    if credentials is None:
        raise Unauthorized("there is no token; send the header Authorization: Bearer <token>")
    token, check = credentials.credentials, parts.authenticator.check
    blocking = parts.authenticator.needs_keys(token)
    caller = await asyncio.to_thread(check, token) if blocking else check(token)
    tenant = caller.access.tenant
    request.state.access = {"user": parts.pseudonyms.of(tenant, caller.user), "tenant": tenant}
    await parts.limits.admit(caller)
    return caller


async def admin_of(caller: Annotated[Caller, Depends(caller_of)]) -> Caller:
    """Dependency: who asks, with the role that runs the service."""
    if ADMIN not in caller.roles:
        raise Forbidden(f"your roles do not allow this; ask for a token with the role {ADMIN!r}")
    return caller
