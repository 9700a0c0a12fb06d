"""The parts of the local stack, by name, and which of them a user may leave out."""

from __future__ import annotations

from searchloom.errors import UsageError
from searchloom.settings import Settings
from searchloom.stack import airflow, elasticsearch, endpoints, opensearch, services
from searchloom.stack.part import Part

AIRFLOW = ("airflow-api-server", "airflow-scheduler", "airflow-dag-processor", "airflow-triggerer")
NAMES = ("localcloud", "opensearch", "elasticsearch", *AIRFLOW, "embedding", "query")
GROUPS: dict[str, tuple[str, ...]] = {"airflow": AIRFLOW, "engines": ("opensearch", "elasticsearch")}


def expand(names: set[str]) -> set[str]:
    """Turn names of parts and groups (``airflow``) into names of parts.

    Raises ``UsageError`` for a name that is neither.
    """
    unknown = names - set(NAMES) - set(GROUPS)
    if unknown:
        raise UsageError(f"there is no part {min(unknown)!r}; parts are: {', '.join([*GROUPS, *NAMES])}")
    return {part for name in names for part in GROUPS.get(name, (name,))}


def local(settings: Settings) -> list[str]:
    """Return the parts that this machine runs: those whose address in the settings is its own, in order of start."""
    elsewhere = {part for part in endpoints.OWNERS if not endpoints.is_local(settings, part)}
    if "airflow-api-server" in elsewhere:
        elsewhere |= set(AIRFLOW)
    return [name for name in NAMES if name not in elsewhere]


def describe(settings: Settings, name: str) -> Part:
    """Return one part as the settings want it."""
    match name:
        case "localcloud":
            return services.localcloud(settings)
        case "opensearch":
            return opensearch.part(settings)
        case "elasticsearch":
            return elasticsearch.part(settings)
        case "embedding":
            return services.embedding(settings)
        case "query":
            return services.query(settings)
        case _:
            return airflow.part(settings, name.removeprefix("airflow-"))
