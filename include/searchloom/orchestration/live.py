"""What serves a corpus now (its model, its index in each engine), and what the engines still lack."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import ExitStack, closing

import pyarrow.compute as pc

from searchloom.cloud.oss import Oss
from searchloom.corpus import manifest
from searchloom.embedding import model as models
from searchloom.embedding.card import ModelCard
from searchloom.engines.interface import GenerationMeta, Loader
from searchloom.errors import Transient
from searchloom.release import registry
from searchloom.release.document import EmbeddingModel, Fusion, index_name
from searchloom.settings import ENGINES, EngineName, Settings

LoaderOf = Callable[[EngineName], Loader]
"""From the name of an engine to its loader, which the caller closes."""

log = logging.getLogger(__name__)


def model(oss: Oss, corpus: str, settings: Settings) -> ModelCard:
    """Return the card of the live release's embedding model; before the first release, of the base model."""
    release = registry.current(oss, corpus)
    return models.read_card(oss, release.embedding.version) if release else models.publish_base(oss, settings)


def indices(oss: Oss, corpus: str) -> dict[EngineName, str]:
    """Return the index of each engine that a load goes to: the live release's, or the first generation."""
    release = registry.current(oss, corpus)
    return dict(release.generation) if release else dict.fromkeys(ENGINES, index_name(corpus, 1))


def target(oss: Oss, corpus: str, settings: Settings) -> tuple[ModelCard, dict[EngineName, str]]:
    """Return ``model`` and ``indices`` of one and the same release, whatever is promoted meanwhile."""
    release = registry.current(oss, corpus)
    if release is None:
        return models.publish_base(oss, settings), dict.fromkeys(ENGINES, index_name(corpus, 1))
    return models.read_card(oss, release.embedding.version), dict(release.generation)


def ensure_index(loader: Loader, index: str, *, corpus: str, card: ModelCard) -> bool:
    """Create the index in the engine where it is not there; whether it was created.

    A new index holds nothing (``loaded_seq`` 0), so the next load brings everything: a lost index heals by itself.
    """
    if loader.meta(index) is not None:
        return False
    loader.create(index, GenerationMeta(corpus=corpus, embedding_version=card.version, dims=card.dims))
    return True


def ensure_release(oss: Oss, loader_of: LoaderOf, corpus: str, version: str) -> int:
    """Return the number of the release that serves; before the first one, publish it from the first generation.

    Aliases that a killed promotion left elsewhere are pointed at the live release again.
    """
    release = registry.current(oss, corpus)
    with ExitStack() as stack:
        loaders = {name: stack.enter_context(closing(loader_of(name))) for name in ENGINES}
        if release:
            registry.heal(oss, loaders, corpus=corpus)
            return release.number
        card = models.read_card(oss, version)
        release = registry.publish(
            oss,
            loaders,
            corpus=corpus,
            embedding=EmbeddingModel(version=card.version, dims=card.dims),
            generation=indices(oss, corpus),
            fusion=Fusion(trained_languages=card.languages),
            created_by="load_search",
        )
    return release.number


def lagging(oss: Oss, loader_of: LoaderOf, corpus: str, *, besides: str | None = None) -> bool:
    """Whether an engine lacks something that the manifest holds, other than documents of the partition ``besides``.

    An engine that cannot be reached counts as lagging: looking once too often costs seconds, a gap costs documents.
    """
    table = manifest.read(oss, corpus).table
    if besides is not None:
        table = table.filter(pc.not_equal(table["partition"], besides))
    if not table.num_rows:
        return False
    last = pc.max(table["seq"]).as_py()
    return any(_loaded(loader_of(name), index) < last for name, index in indices(oss, corpus).items())


def _loaded(loader: Loader, index: str) -> int:
    try:
        meta = loader.meta(index)
    except Transient as error:
        log.warning("cannot tell what %s holds: %s", loader.name, error)
        return 0
    finally:
        loader.close()
    return meta.loaded_seq if meta else 0
