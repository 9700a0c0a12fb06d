"""Where weights are kept that were made here and can be made again: unpacked ones, and the reranker that was taught."""

from __future__ import annotations

import os
from pathlib import Path

CACHE_VARIABLE = "LOCALCLOUD_CACHE"
"""A folder for several state folders together; without it each has its own."""

TEACHING_VARIABLE = "LOCALCLOUD_TEACHING_STEPS"
"""How many steps the reranker is taught (default ``TEACHING_STEPS``); 0: never, it stays the embedding model."""

TEACHING_STEPS = 120


def cache_folder(root: Path) -> Path:
    """The folder that the environment names, else one in ``root``."""
    named = os.environ.get(CACHE_VARIABLE)
    return Path(named) if named else root / "cache"


def teaching_steps() -> int:
    """What the environment says, else the default."""
    return int(os.environ.get(TEACHING_VARIABLE) or TEACHING_STEPS)
