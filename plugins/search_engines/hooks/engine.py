"""From a connection to a loader, for both engines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import SecretStr

from searchloom.engines.bulk import BulkLimits
from searchloom.engines.connect import wire
from searchloom.engines.dialects import dialect
from searchloom.engines.interface import Loader
from searchloom.engines.loader import EngineLoader
from searchloom.errors import SearchloomError
from searchloom.settings import Engine, EngineName

_NO_ALIAS = "searchloom-connection-test"
_IMPATIENT = BulkLimits(attempts=2, timeout_s=10)
"""Somebody looks at the button meanwhile."""


def loader_at(connection: Any, engine: EngineName, *, scheme: str = "", limits: BulkLimits | None = None) -> Loader:
    """Connect to where an Airflow connection points; certificates are always checked. Close it after use."""
    ca_certs = connection.extra_dejson.get("ca_certs")
    settings = Engine(
        url=f"{scheme or connection.schema or 'http'}://{connection.host}:{connection.port or 9200}",
        username=connection.login or "",
        password=SecretStr(connection.password or ""),
        ca_certs=Path(ca_certs) if ca_certs else None,
    )
    return EngineLoader(dialect(engine), wire(engine, settings), limits)


def probe(connection: Any, engine: EngineName, *, scheme: str = "") -> tuple[bool, str]:
    """Ask for an alias that is not there, which takes a right to read; what "Test connection" shows."""
    try:
        loader = loader_at(connection, engine, scheme=scheme, limits=_IMPATIENT)
        try:
            loader.alias_target(_NO_ALIAS)
        finally:
            loader.close()
    except SearchloomError as error:
        return False, str(error)
    return True, f"{engine} at {connection.host}:{connection.port or 9200} answers"
