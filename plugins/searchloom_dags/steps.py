"""What tasks of several DAGs do alike: embed one group of texts, bring one engine up to the manifest."""

from __future__ import annotations

from contextlib import closing
from typing import Any

from alibaba_ai.hooks.oss import OssHook
from search_engines.hooks.loader import loader_of
from searchloom import settings
from searchloom.cloud.oss import Oss
from searchloom.settings import EngineName
from searchloom_dags.oncall import log_group


def embed_group(plan: dict[str, Any], group: int) -> tuple[dict[str, Any], str]:
    """Embed one group of a plan; returns the counts, and how the task is called in the UI from then on."""
    from searchloom.embedding import model, shards  # noqa: PLC0415  torch is for tasks only
    from searchloom.embedding.encoder import Encoder  # noqa: PLC0415

    oss, configuration = OssHook().get_conn(), settings.load()
    encoder = Encoder(model.fetch(oss, plan["version"], configuration.cache), configuration.embedding.threads)
    counts = shards.embed_group(oss, plan=plan["plan"], group=group, encoder=encoder)
    return counts, f"group {group + 1}: " + ", ".join(f"{number} {what}" for what, number in counts.items())


def load_engine(oss: Oss, engine: EngineName, *, corpus: str, index: str, version: str) -> tuple[dict[str, Any], str]:
    """Load what one engine lacks, then verify it; returns counts, and how the task is called in the UI from then on."""
    from searchloom.engines.load import load  # noqa: PLC0415
    from searchloom.engines.verify import verify  # noqa: PLC0415

    with closing(loader_of(engine)) as loader:
        with log_group(f"Load {index} of {engine}"):
            counts = load(oss, loader, corpus=corpus, index=index, embedding_version=version)
        with log_group(f"Verify {index} of {engine}"):
            verified = verify(oss, loader, corpus=corpus, index=index)
    outcome = f"{engine}: {counts['written']} written, {counts['deleted']} deleted"
    return {"engine": engine, **counts, "verified": verified}, outcome
