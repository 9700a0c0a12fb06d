from __future__ import annotations

from collections.abc import Iterator

import pytest

import tests.dags.airflow_home  # noqa: F401  Airflow reads its environment when it is imported
from searchloom.settings import Settings
from tests.dags.live import Live


@pytest.fixture(scope="session")
def metadata_database() -> None:
    """Create Airflow's tables in the database of the tests' own Airflow."""
    from airflow.utils.db import initdb  # noqa: PLC0415  not before the environment is set

    initdb()


@pytest.fixture(scope="package")
def live(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """A whole Airflow with the examples and the local cloud, on the engines of the test session."""
    running = Live(tmp_path_factory.mktemp("live"), settings)
    try:
        running.up()
        yield running
    finally:
        running.down()
