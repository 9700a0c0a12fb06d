"""Checkpoints in a folder that may be an object store's: a file is there whole or not at all, the newest one counts."""

from __future__ import annotations

import logging
import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

log = logging.getLogger(__name__)

Weights = dict[str, torch.Tensor]

_STATE = "state-{:08}.pt"
_KEPT = 2


class Checkpoints:
    """The checkpoints of one training.

    Each state is one file: on an object store only single files are atomic, and a rename of a folder is not.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        for path in folder.glob("*.writing"):  # what a killed process left
            path.unlink(missing_ok=True)

    def save(self, step: int, state: dict[str, Any]) -> None:
        """Write the state of a step; older ones go, but for one that stands in if this one is damaged."""
        path = self._folder / _STATE.format(step)
        fresh = path.with_suffix(".writing")
        torch.save(state, fresh)
        fresh.replace(path)
        self._prune("state-*.pt", _KEPT)

    def load(self) -> dict[str, Any] | None:
        """Return the newest state that is whole, with its best weights (``best``); None where there is none."""
        for path in reversed(self._states()):
            try:
                state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
                state["best"] = load_file(self._best(state["best_step"])) if state["best_step"] else {}
            except (OSError, RuntimeError, EOFError, KeyError, zipfile.BadZipFile, pickle.UnpicklingError) as error:
                log.warning("checkpoint %s is damaged and left aside: %s", path.name, error)
            except SafetensorError as error:
                log.warning("the best weights of checkpoint %s are damaged; it is left aside: %s", path.name, error)
            else:
                return state
        return None

    def save_best(self, step: int, weights: Weights) -> None:
        """Write the weights of the best step so far; a state that names the step finds them again."""
        path = self._best(step)
        fresh = path.with_suffix(".writing")
        save_file({name: tensor.contiguous() for name, tensor in weights.items()}, fresh)
        fresh.replace(path)
        self._prune("best-*.safetensors", _KEPT + 1)

    def clear(self) -> None:
        """Remove everything: the training is over."""
        for path in self._folder.iterdir():
            if path.is_file():
                path.unlink(missing_ok=True)

    def _prune(self, names: str, kept: int) -> None:
        for old in sorted(self._folder.glob(names))[:-kept]:
            old.unlink(missing_ok=True)

    def _best(self, step: int) -> Path:
        return self._folder / f"best-{step:08}.safetensors"

    def _states(self) -> list[Path]:
        return sorted(self._folder.glob("state-*.pt"))


def write_whole(path: Path, content: bytes) -> None:
    """Write a file that is whole whenever it is there."""
    fresh = path.with_name(f"{path.name}.writing")
    with fresh.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    fresh.replace(path)
