"""Versions of the personal order in OSS: immutable, with a card that is written last, and a pointer to what serves.

The pointer is one for each corpus, beside the release: a personal order works on whatever was found, so that a release
and a personal order change each at its own time. A roll-back is the pointer moved back.
"""

from __future__ import annotations

import hashlib
import logging
import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field

from searchloom.errors import NotFound, ServiceConflict, Terminal

if TYPE_CHECKING:
    from searchloom.cloud.oss import Oss

log = logging.getLogger(__name__)

_MODELS = "models/personal/"
_POINTERS, _POINTER = "personal/", "/CURRENT.json"
_THREADS = 4


class Card(BaseModel):
    """What a version says of itself."""

    model_config = ConfigDict(frozen=True)

    version: str
    corpus: str
    created: datetime
    day: str = Field(description="the last day of the event log that it was learned from")
    until: float = Field(description="moment of the last event, in seconds since 1970")
    events: int
    persons: int
    items: int
    lists: int = Field(description="that were shown, and that the ranker of searches was trained on")
    embedding: str = Field(default="", description="version of the model whose vectors stand for the texts")
    weights: dict[str, float] = Field(description="what the rankers of searches and of lists count for")
    against: str = Field(default="", description="version that it was held against; empty: popularity")
    verdict: str = ""
    summary: str = Field(default="", description="one sentence: how it did")
    metrics: dict[str, float] = {}
    files: dict[str, str] = Field(default={}, description="path below the version -> sha256")


def prefix(version: str) -> str:
    """Where the files of a version lie."""
    return f"{_MODELS}{version}/"


def pointer_key(corpus: str) -> str:
    """Key of the pointer: ``{"version", "before"}``."""
    return f"{_POINTERS}{corpus}{_POINTER}"


def pointers(oss: Oss) -> dict[str, str]:
    """Corpus -> etag of its pointer."""
    return {
        info.key.removeprefix(_POINTERS).removesuffix(_POINTER): info.etag
        for info in oss.list(_POINTERS)
        if info.key.endswith(_POINTER)
    }


def current(oss: Oss, corpus: str) -> str | None:
    """The version that serves a corpus; None where there is none yet."""
    try:
        return str(oss.get_json(pointer_key(corpus))["version"])
    except NotFound:
        return None


def read_card(oss: Oss, version: str) -> Card:
    """The card of a version; ``NotFound`` where there is no such version."""
    return Card.model_validate_json(oss.get(f"{prefix(version)}card.json"))


def publish(oss: Oss, folder: Path, card: Card) -> Card:
    """Put a folder into OSS as a version, its card last; of a version that is there the card that it has comes back."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    names = {path.relative_to(folder).as_posix(): path for path in paths}
    with ThreadPoolExecutor(_THREADS) as pool:
        list(pool.map(lambda name: oss.upload(names[name], prefix(card.version) + name), names))
    whole = card.model_copy(update={"files": {name: _sha256(path) for name, path in names.items()}})
    try:
        oss.put_json(f"{prefix(card.version)}card.json", whole.model_dump(mode="json"), forbid_overwrite=True)
    except ServiceConflict:
        return read_card(oss, card.version)
    log.info("personal model %s is in OSS: %d files", card.version, len(names))
    return whole


def point(oss: Oss, corpus: str, version: str) -> None:
    """Let a version serve."""
    live = current(oss, corpus)
    if live != version:
        oss.put_json(pointer_key(corpus), {"version": version, "before": live})


def retire(oss: Oss, corpus: str) -> list[str]:
    """Delete what neither serves nor served before: people who were erased since had a part in it; returns versions."""
    pointer = oss.get_json(pointer_key(corpus))
    gone = []
    cards = [info.key for info in oss.list(_MODELS) if info.key.endswith("/card.json")]
    for key in cards:
        version = key.removeprefix(_MODELS).removesuffix("/card.json")
        if version in {pointer["version"], pointer["before"]} or read_card(oss, version).corpus != corpus:
            continue
        # The card last, so that a run that is broken off finds the rest again.
        oss.delete_many([info.key for info in oss.list(prefix(version)) if info.key != key])
        oss.delete(key)
        gone.append(version)
    return gone


def fetch(oss: Oss, version: str, folder: Path) -> Path:
    """Fill a folder with the files of a version, whole or not at all, unless it is there; returns it.

    Raises ``Terminal`` where the files are not those of the version's card.
    """
    if folder.is_dir():
        return folder
    card = read_card(oss, version)
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".draft-"))
    try:
        with ThreadPoolExecutor(_THREADS) as pool:
            list(pool.map(lambda name: oss.download(prefix(version) + name, draft / name), card.files))
        for name, expected in card.files.items():
            if _sha256(draft / name) != expected:
                raise Terminal(f"{prefix(version)}{name} is not what its card says; train the personal order again")
        draft.rename(folder)
    except OSError:
        if not folder.is_dir():  # another process was faster
            raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return folder


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
