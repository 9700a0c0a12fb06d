from __future__ import annotations

from tests.query.conftest import client, embedding, served

__all__ = ["client", "embedding", "served"]
