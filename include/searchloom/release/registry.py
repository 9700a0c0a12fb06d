"""Releases in the object store: which serves now, which served before, and how another one takes over.

A promotion has two phases: first the aliases of both engines, then the pointer that the query module reads. Whatever
fails on the way puts the aliases back, so both engines and the pointer always tell the same; after a kill between the
phases ``heal``, or any promotion, does. One at a time: whoever changes what serves holds the corpus' lease.
"""

from __future__ import annotations

import getpass
import logging
import os
import socket
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from searchloom.cloud import lease
from searchloom.cloud.oss import Oss
from searchloom.engines.interface import Loader
from searchloom.errors import NotFound, SearchloomError, ServiceConflict, ServiceNotFound, Terminal, UsageError
from searchloom.release.document import (
    EmbeddingModel,
    Fusion,
    Gate,
    Release,
    Reranker,
    alias_name,
    current_key,
    index_name,
    lease_key,
    release_key,
)
from searchloom.settings import EngineName

log = logging.getLogger(__name__)

Loaders = Mapping[EngineName, Loader]

LEASE_S = 20.0
"""A promotion takes about a second; one that was killed holds up the next for no longer than this."""


def current(oss: Oss, corpus: str) -> Release | None:
    """Return the release that serves now; None before the first one."""
    pointer = _pointer(oss, corpus)
    return get(oss, corpus, int(pointer["release"])) if pointer else None


def get(oss: Oss, corpus: str, number: int) -> Release:
    """Return one release; ``NotFound`` naming those that there are."""
    try:
        return Release.model_validate_json(oss.get(release_key(corpus, number)))
    except ServiceNotFound as error:
        there = ", ".join(str(known) for known in numbers(oss, corpus)) or "none"
        raise NotFound(f"corpus {corpus!r} has no release {number}; there are: {there}") from error


def numbers(oss: Oss, corpus: str) -> list[int]:
    """Return the numbers of all releases of a corpus, oldest first."""
    prefix = release_key(corpus, 0).removesuffix("0.json")
    stems = (entry.key.removeprefix(prefix).removesuffix(".json") for entry in oss.list(prefix))
    return sorted(int(stem) for stem in stems if stem.isdigit())


def kept(oss: Oss, corpus: str) -> list[Release]:
    """Return the releases whose indexes and services must stay: the live one, and those it may be rolled back to.

    That is the one before it, and the one that served until it took over, which differ after a roll-back.
    """
    pointer = _pointer(oss, corpus)
    if not pointer:
        return []
    live = get(oss, corpus, int(pointer["release"]))
    others = dict.fromkeys(one for one in (live.previous, pointer.get("before")) if one not in {None, live.number})
    return [live, *(get(oss, corpus, int(one)) for one in others if one is not None)]


def publish(
    oss: Oss,
    loaders: Loaders,
    *,
    corpus: str,
    embedding: EmbeddingModel,
    generation: Mapping[EngineName, str],
    fusion: Fusion,
    created_by: str,
    reranker: Reranker | None = None,
    gate: Gate | None = None,
    owner: str = "",
) -> Release:
    """Write a release down and promote it; one of the same content that serves already is returned as it is.

    A publication that broke off after its document was written is taken up again. Raises what ``promote`` raises.
    """
    content = (embedding, dict(generation), fusion, reranker)
    with _lock(oss, corpus, owner) as held:
        there = numbers(oss, corpus)
        last = get(oss, corpus, there[-1]) if there else None
        if last is None or (last.embedding, last.generation, last.fusion, last.reranker) != content:
            live = current(oss, corpus)
            last = Release(
                corpus=corpus,
                number=there[-1] + 1 if there else 1,
                embedding=embedding,
                generation=dict(generation),
                fusion=fusion,
                reranker=reranker,
                gate=gate,
                previous=live.number if live else None,
                created=datetime.now(UTC),
                created_by=created_by,
            )
            _check(loaders, last)
            held.check()
            _write(oss, last)
        return _promote(oss, loaders, last, held)


def promote(oss: Oss, loaders: Loaders, *, corpus: str, number: int, owner: str = "") -> Release:
    """Make a release the live one, in both engines or in none.

    ``owner`` names who does it: the same one, retried, need not wait for its own dead attempt's lease. Raises
    ``NotFound`` for an unknown number, ``Terminal`` when an index of it is gone or of another model, ``LeaseHeld``
    when somebody else is at it, and whatever broke the promotion, after the aliases were put back.
    """
    release = get(oss, corpus, number)
    with _lock(oss, corpus, owner) as held:
        return _promote(oss, loaders, release, held)


def before(oss: Oss, corpus: str) -> int:
    """Return the number of the release that a roll-back goes to: the one that served when the live one was written.

    Raises ``UsageError`` when there is none.
    """
    live = current(oss, corpus)
    if live is None:
        raise UsageError(f"corpus {corpus!r} has no release yet; run the DAG ingest_corpus first")
    if live.previous is None:
        raise UsageError(f"release {live.number} of corpus {corpus!r} is the first one: there is nothing before it")
    return live.previous


def rollback(oss: Oss, loaders: Loaders, *, corpus: str, number: int | None = None, owner: str = "") -> Release:
    """Promote the release that served before the live one, or the one of this number; raises what ``promote`` does.

    Whoever may repeat the call passes the number (of ``before``), or the repetition goes one release further back.
    """
    return promote(oss, loaders, corpus=corpus, number=number or before(oss, corpus), owner=owner)


def heal(oss: Oss, loaders: Loaders, *, corpus: str, owner: str = "") -> bool:
    """Point the aliases at the live release again where a killed promotion left them elsewhere; whether it had."""
    live = current(oss, corpus)
    if live is None or _aliases(loaders, live) == live.generation:
        return False
    with _lock(oss, corpus, owner):
        live = get(oss, corpus, int(_pointer(oss, corpus)["release"]))
        for name, index in live.generation.items():
            loaders[name].point_alias(alias_name(corpus), index)
    log.warning("corpus %s: the aliases were not those of release %d; they are now", corpus, live.number)
    return True


def next_index(oss: Oss, loaders: Loaders, *, corpus: str, embedding_version: str) -> str:
    """Return the name of the generation that a candidate with this model is loaded into, beside all released ones.

    A generation of the model that an earlier, broken attempt began is taken up again; one of another model is passed
    over. The answer stays the same until a release names it.
    """
    released = {index for number in numbers(oss, corpus) for index in get(oss, corpus, number).generation.values()}
    generation = 1
    while True:
        index = index_name(corpus, generation)
        if index not in released:
            metas = [loader.meta(index) for loader in loaders.values()]
            if all(meta is None or meta.embedding_version == embedding_version for meta in metas):
                return index
        generation += 1


def _pointer(oss: Oss, corpus: str) -> dict[str, Any]:
    try:
        found: dict[str, Any] = oss.get_json(current_key(corpus))
    except ServiceNotFound:
        return {}
    return found


def _lock(oss: Oss, corpus: str, owner: str) -> Any:
    who = owner or f"{getpass.getuser()}@{socket.gethostname()} {os.getpid()}"
    return lease.hold(oss, lease_key(corpus), who, wait_s=3 * LEASE_S, length_s=LEASE_S)


def _promote(oss: Oss, loaders: Loaders, release: Release, held: lease.Lease) -> Release:
    _check(loaders, release)
    corpus, alias = release.corpus, alias_name(release.corpus)
    live = current(oss, corpus)
    # What the pointer says is what serves: aliases that a killed promotion left behind are not put back.
    there: Mapping[EngineName, str | None] = live.generation if live else dict.fromkeys(release.generation)
    try:
        for name, index in release.generation.items():
            loaders[name].point_alias(alias, index)
        held.check()
        if live is None or live.number != release.number:
            oss.put_json(current_key(corpus), {"release": release.number, "before": live.number if live else None})
    except lease.LeaseLost:
        raise  # whoever took it over points the aliases
    except SearchloomError:
        _put_back(loaders, alias, there)
        raise
    log.info("corpus %s is now served from release %d: %s", corpus, release.number, release.generation)
    return release


def _aliases(loaders: Loaders, release: Release) -> dict[EngineName, str | None]:
    alias = alias_name(release.corpus)
    try:
        return {name: loaders[name].alias_target(alias) for name in release.generation}
    except Terminal:  # it points at several
        return {}


def _write(oss: Oss, release: Release) -> None:
    try:
        oss.put(
            release_key(release.corpus, release.number),
            release.model_dump_json(indent=1).encode(),
            content_type="application/json",
            forbid_overwrite=True,
        )
    except ServiceConflict:
        # A repeated request finds its own document: only another content is a conflict.
        if get(oss, release.corpus, release.number) != release:
            raise


def _check(loaders: Loaders, release: Release) -> None:
    """Refuse a release whose index is missing, or holds vectors of another model than its queries will have."""
    for name, index in release.generation.items():
        meta = loaders[name].meta(index)
        if meta is None:
            raise Terminal(f"release {release.number} names index {index!r}, which {name} does not have; load it first")
        found = (meta.corpus, meta.embedding_version, meta.dims)
        if found != (release.corpus, release.embedding.version, release.embedding.dims):
            raise Terminal(
                f"index {index!r} of {name} holds {found}, not what release {release.number} of "
                f"{release.corpus!r} was made for; build a generation with {release.embedding.version!r}"
            )


def _put_back(loaders: Loaders, alias: str, there: Mapping[EngineName, str | None]) -> None:
    for name, index in there.items():
        try:
            loaders[name].point_alias(alias, index)
        except SearchloomError:
            log.exception(
                "%s: alias %s could not be put back to %s; promote the live release again", name, alias, index
            )
