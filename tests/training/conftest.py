from __future__ import annotations

from tests.corpus.conftest import cloud_settings, oss, runs

__all__ = ["cloud_settings", "oss", "runs"]
