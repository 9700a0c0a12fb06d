from __future__ import annotations

import pytest

import tests.dags.airflow_home  # noqa: F401  Airflow reads its environment when it is imported


@pytest.fixture(scope="session")
def metadata_database() -> None:
    """Create Airflow's tables in the database of the tests' own Airflow."""
    from airflow.utils.db import initdb  # noqa: PLC0415  not before the environment is set

    initdb()
