"""Model services on PAI-EAS: one for each model version, put up beside those that serve, and believed after a probe.

A service is named after its model's version, so deploying it again finds it. Nothing here moves traffic: the release
pointer does, and the service of the release before goes on until ``retire`` takes it down.
"""

from __future__ import annotations

import hashlib
import logging
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from searchloom.cloud.oss import Oss
from searchloom.cloud.pai_eas import PaiEas, Service
from searchloom.embedding.card import Kind, ModelCard, model_prefix
from searchloom.embedding.model import read_card
from searchloom.errors import ServiceConflict, ServiceNotFound, ServiceUnavailable, Terminal
from searchloom.release import probe, wire
from searchloom.release.document import Release
from searchloom.release.retire import in_use
from searchloom.settings import Settings

log = logging.getLogger(__name__)

WAIT_S = 900.0
_POLL_S = 1.0
_MOUNT = "/mnt/model"
_PORT = 8000
_LOOPBACK = {"127.0.0.1", "localhost", "::1"}
_SHORT: dict[Kind, str] = {"embedding": "emb", "reranker": "rr"}


@dataclass(frozen=True, slots=True)
class Deployed:
    """A model service that is warm and answers like the model; ``agreement``: the worst cosine, or the correlation."""

    name: str
    url: str
    agreement: float


def name_of(version: str, kind: Kind) -> str:
    """Return the name of a version's service: EAS takes lower-case letters, digits and underscores."""
    slug = re.sub(r"[^a-z0-9]+", "_", version.lower()).strip("_").removeprefix(f"own_{kind}_")
    name = f"sl_{_SHORT[kind]}_{slug}"
    if len(name) <= 60:
        return name
    return f"{name[:47]}_{hashlib.sha256(version.encode()).hexdigest()[:12]}"


def spec_of(card: ModelCard, settings: Settings) -> dict[str, Any]:
    """Return the service JSON of a model: our inference service over the model's prefix, mounted from OSS."""
    pai, name = settings.pai, name_of(card.version, card.kind)
    source = f"oss://{settings.oss.bucket}/{model_prefix(card.version, card.kind)}"
    # In its container it must be reached from outside; the local cloud's processes have no container around them.
    host = "127.0.0.1" if urlsplit(settings.acs.endpoint).hostname in _LOOPBACK else "0.0.0.0"  # noqa: S104
    command = [
        "exec python -m searchloom.inference",
        f"--model {_MOUNT} --version {card.version}",
        f"--host {host} --port {_PORT} --threads {settings.embedding.threads}",
    ]
    return {
        "name": name,
        "token": settings.embedding.token.get_secret_value(),
        "metadata": {
            "name": name, "instance": 1, "cpu": pai.service_cpu, "memory": pai.service_memory_mb,
            "workspace_id": pai.workspace_id,
        },
        "containers": [{"image": pai.service_image, "script": " ".join(command), "port": _PORT}],
        "storage": [{"mount_path": _MOUNT, "oss": {"path": source, "readOnly": True}}],
    }  # fmt: skip


def deploy(
    eas: PaiEas,
    oss: Oss,
    *,
    version: str,
    kind: Kind,
    settings: Settings,
    texts: Sequence[str] = (),
    wait_s: float = WAIT_S,
) -> Deployed:
    """Put up the service of a model version, or find it, and return it once it is warm and answers like the model.

    ``texts`` are further probes, of the corpus that it is meant for. Retrying is safe at every moment. Raises
    ``Terminal`` when it does not start or answers otherwise than the model does (it is deleted then, unless a release
    serves with it), and ``ServiceUnavailable`` when it has not started within ``wait_s`` seconds (it is left alone).
    """
    card = read_card(oss, version, kind)
    spec = spec_of(card, settings)
    deadline = time.monotonic() + wait_s
    service = _running(eas, _created(eas, spec), deadline)
    url = wire.address(service.url or service.intranet_url, settings.acs.endpoint)
    try:
        _expect_started(eas, service, version)
        _await_health(url, card, settings, deadline)
        agreement = probe.agreement(oss, card, url, settings, texts)
    except Terminal:
        if service.name not in in_use(oss):
            undeploy(eas, name=service.name)
        raise
    log.info("service %s is warm and answers like model %s (%.5f)", service.name, version, agreement)
    return Deployed(service.name, service.url or service.intranet_url, round(agreement, 6))


def undeploy(eas: PaiEas, *, name: str) -> None:
    """Delete a service, if it is there."""
    try:
        eas.delete(name=name)
    except ServiceNotFound:
        return
    log.info("service %s is deleted", name)


def require(release: Release, settings: Settings) -> None:
    """Make sure that the services of a release answer, before it is promoted.

    Raises ``Terminal`` naming the one that is gone, and ``ServiceUnavailable`` for one that does not answer now.
    """
    models = {release.embedding.service: release.embedding.version}
    if release.reranker:
        models[release.reranker.service] = release.reranker.version
    for url, version in models.items():
        if url:
            try:
                _health(wire.address(url, settings.acs.endpoint), version, settings)
            except ServiceNotFound as error:
                raise Terminal(
                    f"release {release.number} needs service {wire.service_name(url)!r} of model {version!r}, which is "
                    "gone; deploy it again first"
                ) from error


def _created(eas: PaiEas, spec: dict[str, Any]) -> Service:
    """Bring the service into being, whatever is left of an earlier attempt."""
    name = spec["name"]
    there = eas.find(name=name)
    if there is not None and there.failed:
        log.info("service %s failed before (%s); it is made anew", name, there.message)
        undeploy(eas, name=name)
        there = None
    if there is None:
        try:
            eas.create(spec=spec)
            log.info("service %s is new at %s", name, eas.endpoint)
        except ServiceConflict:
            log.info("service %s is there already", name)
    elif there.token != spec["token"] and spec["token"]:
        eas.update(name=name, spec=spec, how="replace")
    elif there.status == "Stopped":
        eas.start(name=name)
    return eas.describe(name=name)


def _running(eas: PaiEas, service: Service, deadline: float) -> Service:
    while not (service.running or service.failed):
        if time.monotonic() > deadline:
            raise ServiceUnavailable(
                f"service {service.name!r} is still {service.status}: {service.message}; see its log, or wait longer",
                endpoint=eas.endpoint,
            )
        time.sleep(_POLL_S)
        service = eas.describe(name=service.name)
    return service


def _await_health(url: str, card: ModelCard, settings: Settings, deadline: float) -> None:
    while True:
        try:
            _health(url, card.version, settings)
        except (ServiceUnavailable, ServiceNotFound):  # the gateway learns of a new service a little later
            if time.monotonic() > deadline:
                raise
            time.sleep(_POLL_S)
        else:
            return


def _health(url: str, version: str, settings: Settings) -> None:
    answer = probe.call("GET", url + wire.HEALTH_PATH, settings)
    if answer.get("version") != version:
        raise Terminal(f"the service at {url} serves model {answer.get('version')!r}, not {version!r}; deploy it again")


def _expect_started(eas: PaiEas, service: Service, version: str) -> None:
    if not service.failed:
        return
    try:
        lines = [line for line in eas.logs(name=service.name) if line.strip()]
    except (ServiceNotFound, ServiceUnavailable):
        lines = []
    # Another start may be under way already: what it has logged so far says nothing.
    why = next((line for line in reversed(lines) if "ERROR" in line), lines[-1] if lines else service.message)
    raise Terminal(f"service {service.name!r} of model {version!r} does not start: {why}")
