"""What may become the next release, from its training to its end; the steps of the DAG ``train_models``.

Everything that a candidate leaves in the engines and in PAI-EAS has a name that follows from what it is trained on, and
the names are written down before the things are made. So a run that was killed anywhere can be repeated, and what a
broken run left behind is known to the next one.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from typing import Any

from pydantic import BaseModel, ConfigDict

from searchloom.cloud.oss import Oss
from searchloom.cloud.pai_eas import PaiEas
from searchloom.cloud.pai_registry import Approval, PaiRegistry
from searchloom.corpus import manifest
from searchloom.embedding import model as models
from searchloom.embedding import shards
from searchloom.embedding.card import Kind, registered_name
from searchloom.embedding.encoder import Encoder
from searchloom.engines.interface import Loader
from searchloom.engines.load import load
from searchloom.errors import ServiceNotFound, Terminal
from searchloom.orchestration import live
from searchloom.orchestration.live import LoaderOf
from searchloom.release import registry, retire, services
from searchloom.release.document import EmbeddingModel, Fusion, Gate, Release, Reranker
from searchloom.settings import ENGINES, EngineName, Settings

log = logging.getLogger(__name__)


class Candidate(BaseModel):
    """The names of a candidate; ``candidates/{corpus}.json`` holds those of the last one."""

    model_config = ConfigDict(frozen=True)

    corpus: str
    run_id: str
    against: int  # number of the release that served when it began
    training_set: str
    embedding: str  # version
    reranker: str = ""  # version; empty: none is trained
    index: str

    @property
    def services(self) -> list[str]:
        """Names of its model services."""
        versions: dict[Kind, str] = {"embedding": self.embedding, "reranker": self.reranker}
        return [services.name_of(version, kind) for kind, version in versions.items() if version]


def begin(oss: Oss, loader_of: LoaderOf, eas: PaiEas, *, settings: Settings, **names: Any) -> Candidate:
    """Write the names of a new candidate down, after what another, broken run left behind is gone.

    ``names``: the fields of ``Candidate`` but ``index``, which is chosen here. Raises what the engines raise.
    """
    corpus, run_id = names["corpus"], names["run_id"]
    with _loaders(loader_of) as loaders:
        former = _last(oss, corpus)
        if former and former.run_id != run_id:
            _discard(oss, loaders, eas, former)
        index = registry.next_index(oss, loaders, corpus=corpus, embedding_version=names["embedding"])
    candidate = Candidate(index=index, **names)
    oss.put_json(_key(corpus), candidate.model_dump(mode="json"))
    log.info(
        "candidate of %s: embedding %s, reranker %s, index %s; models cached in %s",
        corpus, candidate.embedding, candidate.reranker or "none", index, settings.cache,
    )  # fmt: skip
    return candidate


def read(oss: Oss, corpus: str, run_id: str) -> Candidate:
    """Return the candidate of a run; ``Terminal`` when another run has begun one since."""
    found = _last(oss, corpus)
    if found is None or found.run_id != run_id:
        raise Terminal(
            f"run {run_id} has no candidate of corpus {corpus!r} any more"
            f"{f': {found.run_id} has begun another one' if found else ''}; clear the whole run"
        )
    return found


def ensure_index(oss: Oss, loader: Loader, candidate: Candidate) -> None:
    """Create the candidate's generation in one engine, where it is not there."""
    card = models.read_card(oss, candidate.embedding)
    if live.ensure_index(loader, candidate.index, corpus=candidate.corpus, card=card):
        log.info("%s: created index %s (%d dimensions)", loader.name, candidate.index, card.dims)


def specification(oss: Oss, candidate: Candidate) -> dict[str, Any]:
    """The candidate as the judge takes it; its weights are the judge's to learn."""
    card = models.read_card(oss, candidate.embedding)
    return {
        "embedding": {"version": card.version, "dims": card.dims},
        "generation": dict.fromkeys(ENGINES, candidate.index),
        "reranker": {"version": candidate.reranker} if candidate.reranker else None,
    }


def deploy(
    oss: Oss, eas: PaiEas, candidate: Candidate, *, judged: Mapping[str, Any], settings: Settings
) -> dict[str, str]:
    """Put the models of a candidate up beside those that serve; kind -> URL of each service, warm and probed."""
    wanted: dict[Kind, str] = {"embedding": candidate.embedding}
    if judged["reranker"]:
        wanted["reranker"] = judged["reranker"]["version"]
    return {
        kind: services.deploy(eas, oss, version=version, kind=kind, settings=settings).url
        for kind, version in wanted.items()
    }


def promote(
    oss: Oss,
    loader_of: LoaderOf,
    candidate: Candidate,
    *,
    judged: Mapping[str, Any],
    urls: Mapping[str, str],
    settings: Settings,
    created_by: str,
) -> Release:
    """Bring the candidate's generation up to the manifest, and make the candidate the live release of both engines.

    Raises ``Terminal`` when another release serves by now than the one that the candidate was judged against.
    """
    with _loaders(loader_of) as loaders:
        release = registry.current(oss, candidate.corpus)
        promoted = release is not None and set(release.generation.values()) == {candidate.index}
        if not promoted and (release is None or release.number != candidate.against):
            raise Terminal(
                f"the candidate was judged against release {candidate.against}, but "
                f"{release.number if release else 'none'} serves by now; clear the whole run to judge it again"
            )
        _catch_up(oss, loaders, candidate, settings)
        return registry.publish(
            oss,
            loaders,
            corpus=candidate.corpus,
            embedding=_embedding(oss, candidate, urls),
            generation=dict.fromkeys(ENGINES, candidate.index),
            fusion=Fusion.model_validate(judged["fusion"]),
            reranker=_reranker(oss, judged["reranker"], urls),
            gate=Gate.model_validate({name: judged[name] for name in ("verdict", "summary", "report", "metrics")}),
            created_by=created_by,
            owner=candidate.run_id,
        )


def clear_up(oss: Oss, loader_of: LoaderOf, eas: PaiEas, candidate: Candidate) -> dict[str, Any]:
    """Take away what a refused candidate left, or what no release needs any more; returns what serves, what went."""
    with _loaders(loader_of) as loaders:
        release = registry.current(oss, candidate.corpus)
        promoted = release is not None and set(release.generation.values()) == {candidate.index}
        gone = (
            retire.retire(oss, loaders, eas, corpus=candidate.corpus, owner=candidate.run_id)
            if promoted
            else _discard(oss, loaders, eas, candidate)
        )
    return {"release": release.number if release else None, "promoted": promoted, **gone}


def stage(registry_of: PaiRegistry, candidate: Candidate, *, judged: Mapping[str, Any], promoted: bool) -> None:
    """Move the candidate's versions in the model registry to ``Approved`` or ``Rejected``."""
    chosen = (judged["reranker"] or {}).get("version")
    serving: dict[Kind, tuple[str, bool]] = {
        "embedding": (candidate.embedding, promoted),
        "reranker": (candidate.reranker, promoted and chosen == candidate.reranker),
    }
    for kind, (version, serves) in serving.items():
        model = registry_of.find_model(name=registered_name(kind, candidate.corpus)) if version else None
        if model and registry_of.find_version(model_id=model.model_id, version=version):
            approval: Approval = "Approved" if serves else "Rejected"
            registry_of.update_version(model_id=model.model_id, version=version, approval=approval)


def _catch_up(oss: Oss, loaders: Mapping[EngineName, Loader], candidate: Candidate, settings: Settings) -> None:
    """Embed and load what was committed while the candidate was trained and judged."""
    last = manifest.read(oss, candidate.corpus).seq
    behind = [loader for loader in loaders.values() if _loaded(loader, candidate.index) < last]
    if not behind:
        return
    card = models.read_card(oss, candidate.embedding)
    planned = shards.plan(
        oss, corpus=candidate.corpus, partition=None, run_id="catch-up", model=card,
        group_size=settings.embedding.group_size,
    )  # fmt: skip
    if planned["groups"]:
        encoder = Encoder(models.fetch(oss, card.version, settings.cache), settings.embedding.threads)
        for group in range(planned["groups"]):
            shards.embed_group(oss, plan=planned["plan"], group=group, encoder=encoder)
    for loader in behind:
        load(oss, loader, corpus=candidate.corpus, index=candidate.index, embedding_version=card.version)


def _loaded(loader: Loader, index: str) -> int:
    meta = loader.meta(index)
    return meta.loaded_seq if meta else 0


def _embedding(oss: Oss, candidate: Candidate, urls: Mapping[str, str]) -> EmbeddingModel:
    card = models.read_card(oss, candidate.embedding)
    return EmbeddingModel(version=card.version, dims=card.dims, service=urls["embedding"])


def _reranker(oss: Oss, chosen: Mapping[str, Any] | None, urls: Mapping[str, str]) -> Reranker | None:
    if not chosen:
        return None
    card = models.read_card(oss, chosen["version"], "reranker")
    return Reranker(
        version=card.version,
        service=urls["reranker"],
        weight=chosen["weight"],
        depth=chosen["depth"],
        max_tokens=card.max_tokens,
    )


def _discard(oss: Oss, loaders: Mapping[EngineName, Loader], eas: PaiEas, candidate: Candidate) -> dict[str, Any]:
    return retire.discard(
        oss,
        loaders,
        eas,
        corpus=candidate.corpus,
        indices=[candidate.index],
        services=candidate.services,
        owner=candidate.run_id,
    )


def _last(oss: Oss, corpus: str) -> Candidate | None:
    try:
        return Candidate.model_validate(oss.get_json(_key(corpus)))
    except ServiceNotFound:
        return None


def _key(corpus: str) -> str:
    return f"candidates/{corpus}.json"


@contextmanager
def _loaders(loader_of: LoaderOf) -> Iterator[dict[EngineName, Loader]]:
    with ExitStack() as stack:
        yield {name: stack.enter_context(closing(loader_of(name))) for name in ENGINES}
