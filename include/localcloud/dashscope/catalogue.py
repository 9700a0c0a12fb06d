"""Which weights answer under which name: the packaged language model, alone or with a LoRA adapter on it.

In memory only: who registers a model knows after a restart that it did (deployments do, from their own table).
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path

from localcloud.dashscope.errors import model_not_found

BASE_MODEL = "smollm2-135m-instruct"
"""The packaged language model under its own name."""

CLOUD_MODELS = ("qwen-turbo", "qwen-plus", "qwen-max", "qwen3-8b", "qwen3-14b")
"""Models of the cloud whose calls the packaged one answers."""


@dataclass(frozen=True, slots=True)
class Served:
    """A model's name, and the folder of its adapter (peft's layout); None is the packaged model as it is."""

    name: str
    adapter: Path | None = None


class Catalogue:
    """The language models that can be asked; may be used by several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._served = {name: Served(name) for name in (*CLOUD_MODELS, BASE_MODEL)}

    def register(self, name: str, adapter: Path | None) -> None:
        """Serve the packaged model under this name, with an adapter on it unless that is None."""
        with self._lock:
            self._served[name] = Served(name, adapter)

    def unregister(self, name: str) -> None:
        """Serve this name no more; one that is not served stays so."""
        with self._lock:
            self._served.pop(name, None)

    def resolve(self, name: object) -> Served:
        """The weights of a name; raises ``ModelNotFound``."""
        with self._lock:
            served = self._served.get(name) if isinstance(name, str) else None
        if served is None:
            raise model_not_found(name)
        return served

    def names(self) -> list[str]:
        """All names, in the order in which they were registered."""
        with self._lock:
            return list(self._served)
