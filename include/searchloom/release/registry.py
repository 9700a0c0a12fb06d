"""Releases in the object store: which serves now, which served before, and how another one takes over.

A promotion has two phases: first the aliases of both engines, then the pointer that the query module reads. Whatever
fails on the way puts the aliases back, so both engines and the pointer always tell the same.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import UTC, datetime

from searchloom.cloud.oss import Oss
from searchloom.engines.interface import Loader
from searchloom.errors import NotFound, SearchloomError, ServiceConflict, ServiceNotFound, Terminal
from searchloom.release.document import EmbeddingModel, Fusion, Release, alias_name, current_key, release_key
from searchloom.settings import EngineName

log = logging.getLogger(__name__)

Loaders = Mapping[EngineName, Loader]


def current(oss: Oss, corpus: str) -> Release | None:
    """Return the release that serves now; None before the first one."""
    try:
        pointer = oss.get_json(current_key(corpus))
    except ServiceNotFound:
        return None
    return get(oss, corpus, int(pointer["release"]))


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


def publish(
    oss: Oss,
    loaders: Loaders,
    *,
    corpus: str,
    embedding: EmbeddingModel,
    generation: Mapping[EngineName, str],
    fusion: Fusion,
    created_by: str,
) -> Release:
    """Write a release down and promote it; one of the same content that serves already is returned as it is.

    A publication that broke off after its document was written is taken up again. Raises what ``promote`` raises, and
    ``Conflict`` when somebody else publishes at the same moment.
    """
    there = numbers(oss, corpus)
    last = get(oss, corpus, there[-1]) if there else None
    if last is None or (last.embedding, last.generation, last.fusion) != (embedding, dict(generation), fusion):
        last = Release(
            corpus=corpus,
            number=there[-1] + 1 if there else 1,
            embedding=embedding,
            generation=dict(generation),
            fusion=fusion,
            created=datetime.now(UTC),
            created_by=created_by,
        )
        _check(loaders, last)
        _write(oss, last)
    return promote(oss, loaders, corpus=corpus, number=last.number)


def promote(oss: Oss, loaders: Loaders, *, corpus: str, number: int) -> Release:
    """Make a release the live one, in both engines or in none.

    Raises ``NotFound`` for an unknown number, ``Terminal`` when an index of it is gone or of another model, and
    whatever broke the promotion, after the aliases were put back.
    """
    release = get(oss, corpus, number)
    _check(loaders, release)
    alias = alias_name(corpus)
    before = {name: loaders[name].alias_target(alias) for name in release.generation}
    try:
        for name, index in release.generation.items():
            loaders[name].point_alias(alias, index)
        oss.put_json(current_key(corpus), {"release": number})
    except SearchloomError:
        _put_back(loaders, alias, before)
        raise
    log.info("corpus %s is now served from release %d: %s", corpus, number, release.generation)
    return release


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


def _put_back(loaders: Loaders, alias: str, before: Mapping[EngineName, str | None]) -> None:
    for name, index in before.items():
        try:
            loaders[name].point_alias(alias, index)
        except SearchloomError:
            log.exception(
                "%s: alias %s could not be put back to %s; promote the live release again", name, alias, index
            )
