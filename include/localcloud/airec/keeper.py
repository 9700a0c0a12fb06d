"""Trains the models of data sets in the background, one at a time, and keeps them on disk.

A data set's model is trained anew when its behaviour has grown by a third, and when the instance is run again.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

import localcloud
from localcloud.airec.model import Trained
from localcloud.airec.tables import Tables
from localcloud.processes import base_environment

TOO_LITTLE = 3
"""What the training process answers where there is too little behaviour."""

LEARNING, READY, TOO_FEW, FAILED = "Learning", "Ready", "TooFew", "Failed"
_LEAST_ROWS = 200
_FIRST_ROWS = 500
_GROWTH = 1.3
_LIMIT_S = 300


@dataclass(frozen=True, slots=True)
class State:
    """How far the model of a data set is; ``behaviors`` are the rows that the one in use was trained on."""

    state: str
    behaviors: int


class Keeper:
    """The models of all data sets; safe to use from several threads."""

    def __init__(self, root: Path, tables: Tables) -> None:
        self._root = root / "models"
        self._tables_file = root / "tables.sqlite"
        self._tables = tables
        self._lock = threading.Lock()
        self._models: dict[str, Trained | None] = {}
        self._states: dict[str, str] = {}
        self._tried: dict[str, int] = {}
        self._waiting: list[str] = []
        self._working = False

    def model(self, data_set: str) -> Trained | None:
        """The model in use, if there is one: at first the one that an earlier process left."""
        with self._lock:
            if data_set not in self._models:
                folder = self._folder(data_set)
                self._models[data_set] = Trained.load(folder) if folder.exists() else None
            return self._models[data_set]

    def state(self, data_set: str) -> State:
        """How far the model is."""
        model = self.model(data_set)
        with self._lock:
            state = self._states.get(data_set, READY if model else TOO_FEW)
        return State(state, model.behaviors if model else 0)

    def grown(self, data_set: str) -> None:
        """Train where there is a third more behaviour than the last time, or enough for the first time."""
        model = self.model(data_set)
        before = max(self._tried.get(data_set, 0), model.behaviors if model else 0)
        if self._tables.count(data_set) >= max(_FIRST_ROWS, _GROWTH * before):
            self.train(data_set)

    def train(self, data_set: str) -> None:
        """Train a new model in the background; while one is in training, once more after it."""
        count = self._tables.count(data_set)
        if count < _LEAST_ROWS:
            return
        with self._lock:
            self._tried[data_set] = count
            self._states[data_set] = LEARNING
            if data_set not in self._waiting:
                self._waiting.append(data_set)
            if self._working:
                return
            self._working = True
        threading.Thread(target=self._work, name="airec-learning", daemon=True).start()

    def copy(self, source: str, target: str) -> None:
        """Let ``target`` begin with what was learned of ``source``."""
        model = self.model(source)
        if model is None:
            return
        with self._lock:
            shutil.rmtree(self._folder(target), ignore_errors=True)
            shutil.copytree(self._folder(source), self._folder(target))
            self._models[target] = model

    def forget(self, data_set: str) -> None:
        """Remove what was learned of a data set."""
        with self._lock:
            self._models.pop(data_set, None)
            self._states.pop(data_set, None)
            shutil.rmtree(self._folder(data_set), ignore_errors=True)

    def _work(self) -> None:
        while True:
            with self._lock:
                if not self._waiting:
                    self._working = False
                    return
                data_set = self._waiting.pop(0)
            fresh = self._root / f"fresh-{os.getpid()}"
            shutil.rmtree(fresh, ignore_errors=True)
            code = self._run(data_set, fresh)
            model = Trained.load(fresh) if code == 0 else None
            with self._lock:
                if model is not None:
                    folder = self._folder(data_set)
                    shutil.rmtree(folder, ignore_errors=True)
                    fresh.rename(folder)
                    self._models[data_set] = model
                if data_set not in self._waiting:
                    self._states[data_set] = {0: READY, TOO_LITTLE: TOO_FEW}.get(code, FAILED)

    def _run(self, data_set: str, folder: Path) -> int:
        self._root.mkdir(parents=True, exist_ok=True)
        command = [
            sys.executable, "-W", "ignore", "-m", "localcloud.airec.learning",
            str(self._tables_file), data_set, str(folder), str(_LIMIT_S),
        ]  # fmt: skip
        environment = {**base_environment(), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        environment["PYTHONPATH"] = str(Path(localcloud.__file__).parent.parent)
        with (self._root / "learning.log").open("ab") as log:
            try:
                return subprocess.run(
                    command, env=environment, stdout=log, stderr=log, timeout=_LIMIT_S + 10, check=False
                ).returncode
            except subprocess.TimeoutExpired:
                return -1

    def _folder(self, data_set: str) -> Path:
        return self._root / hashlib.sha256(data_set.encode()).hexdigest()[:24]
