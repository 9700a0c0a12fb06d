"""An embedding model in memory: for queries as they come, and for passages, whose vectors mostly lie in OSS already."""

from __future__ import annotations

import hashlib
import logging
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from searchloom.cloud.oss import Oss
from searchloom.embedding import store
from searchloom.embedding.card import ModelCard, model_prefix
from searchloom.embedding.encoder import Encoder, Vectors
from searchloom.embedding.model import fetch, read_card
from searchloom.schemas import content_sha256
from searchloom.settings import Settings

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ModelAlone:
    """One version of an embedding model, and where the vectors lie that it made of a corpus."""

    oss: Oss
    corpus: str
    card: ModelCard
    encoder: Encoder
    cache: Path

    @classmethod
    def load(cls, oss: Oss, corpus: str, version: str, settings: Settings) -> ModelAlone:
        """Fetch and load a version; raises what ``fetch`` raises."""
        folder = fetch(oss, version, settings.cache)
        return cls(oss, corpus, read_card(oss, version), Encoder(folder, settings.embedding.threads), settings.cache)

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Return ``[n, dims]`` of unit length."""
        return self.encoder.encode(texts)

    def passages(self, texts: Sequence[str]) -> Vectors:
        """The same for passages of the corpus: those that are in its vector files are read, the others are made."""
        names = [content_sha256(text) for text in texts]
        found = store.lookup(self.oss, self.corpus, self.card.version, self.card.dims, set(names))
        width = found["embedding"].combine_chunks().flatten().to_numpy().reshape(-1, self.card.dims)
        place = {name: row for row, name in enumerate(found["content_sha256"].to_pylist())}
        missing = [at for at, name in enumerate(names) if name not in place]
        vectors = np.empty((len(texts), self.card.dims), dtype=np.float32)
        there = [at for at, name in enumerate(names) if name in place]
        vectors[there] = width[[place[names[at]] for at in there]]
        if missing:
            log.info("%s: %d of %d passages have to be embedded", self.card.version, len(missing), len(texts))
            vectors[missing] = self.encoder.encode([texts[at] for at in missing])
        return vectors

    def kept(self, texts: Sequence[str]) -> Vectors:
        """The same for texts that every judgment asks of the model: made once, then read from the cache."""
        digest = hashlib.sha256("\0".join((self.card.fingerprint, *texts)).encode()).hexdigest()
        path = self.cache / "judge" / f"{self.card.version}-{digest[:16]}.npy"
        if path.is_file():
            there: Vectors = np.load(path)
            return there
        vectors = self.encoder.encode(texts)
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".npy", delete=False) as whole:
            np.save(whole, vectors)
        Path(whole.name).rename(path)
        return vectors

    def megabytes(self) -> float:
        """Size of the model's files."""
        return round(sum(info.size for info in self.oss.list(model_prefix(self.card.version))) / 1e6, 1)
