from __future__ import annotations

import tests.dags.airflow_home  # noqa: F401  Airflow reads its environment when it is imported
