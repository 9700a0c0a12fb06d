"""What no release needs any more goes: index generations and model services, never those in use or rolled back to."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from searchloom.cloud import lease
from searchloom.cloud.oss import Oss
from searchloom.cloud.pai_eas import PaiEas
from searchloom.errors import ServiceNotFound
from searchloom.release import registry
from searchloom.release.document import lease_key
from searchloom.release.registry import Loaders
from searchloom.release.wire import service_name

log = logging.getLogger(__name__)


def in_use(oss: Oss) -> set[str]:
    """Return the names of the services that a live release, or one that may be rolled back to, of any corpus needs."""
    return {service_name(url) for corpus in _corpora(oss) for one in registry.kept(oss, corpus) for url in one.services}


def retire(oss: Oss, loaders: Loaders, eas: PaiEas | None, *, corpus: str, owner: str = "retire") -> dict[str, Any]:
    """Drop the generations, and delete the services, that only releases before those kept name.

    ``eas`` None: services are left alone. Returns what went: ``{"indices": [...], "services": [...]}``.
    """
    with lease.hold(oss, lease_key(corpus), owner, length_s=registry.LEASE_S):
        kept = {one.number: one for one in registry.kept(oss, corpus)}
        if not kept:
            return {"indices": [], "services": []}
        old = [registry.get(oss, corpus, number) for number in registry.numbers(oss, corpus) if number < max(kept)]
        old = [one for one in old if one.number not in kept]
        indices = sorted({index for one in old for index in one.generation.values()})
        services = sorted({service_name(url) for one in old for url in one.services})
        return _discarded(oss, loaders, eas, corpus=corpus, indices=indices, services=services)


def discard(
    oss: Oss,
    loaders: Loaders,
    eas: PaiEas | None,
    *,
    corpus: str,
    indices: Sequence[str] = (),
    services: Sequence[str] = (),
    owner: str = "discard",
) -> dict[str, Any]:
    """Drop what a candidate that was refused, or broke off, left behind: but nothing that a kept release needs."""
    with lease.hold(oss, lease_key(corpus), owner, length_s=registry.LEASE_S):
        return _discarded(oss, loaders, eas, corpus=corpus, indices=indices, services=services)


def _discarded(
    oss: Oss, loaders: Loaders, eas: PaiEas | None, *, corpus: str, indices: Sequence[str], services: Sequence[str]
) -> dict[str, Any]:
    needed = {index for one in registry.kept(oss, corpus) for index in one.generation.values()}
    gone: dict[str, Any] = {"indices": [], "services": []}
    for index in indices:
        if index not in needed and any(loader.meta(index) for loader in loaders.values()):
            for loader in loaders.values():
                loader.drop(index)
            gone["indices"].append(index)
    serving = in_use(oss) if services and eas else set()
    for name in services:
        if eas and name and name not in serving and _deleted(eas, name):
            gone["services"].append(name)
    log.info("corpus %s: %d generations and %d services retired", corpus, len(gone["indices"]), len(gone["services"]))
    return gone


def _deleted(eas: PaiEas, name: str) -> bool:
    try:
        eas.delete(name=name)
    except ServiceNotFound:
        return False
    return True


def _corpora(oss: Oss) -> list[str]:
    keys = (entry.key for entry in oss.list("releases/"))
    return [key.removeprefix("releases/").removesuffix("/CURRENT") for key in keys if key.endswith("/CURRENT")]
