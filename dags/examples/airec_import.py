"""
What was pushed to AIRec serves, and the former data again.

Shows `AirecImportOperator`: the first task imports what was pushed as a new data set and waits until it serves; the
second attaches the data set that the parameter names, which is how one goes back. Runs by hand; shown where
`airflow.examples` is true.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import dag

from alibaba_ai.operators.airec import AirecImportOperator
from searchloom import settings


@dag(
    schedule=None,
    catchup=False,
    default_args={"retries": 4, "retry_delay": timedelta(seconds=5), "execution_timeout": timedelta(minutes=15)},
    params={"back_to": "v1"},
    tags=["example", "airec"],
    doc_md=__doc__,
)
def airec_import() -> None:
    """Import, then go back."""
    new = AirecImportOperator(task_id="import_pushed", poll_interval_s=2)
    back = AirecImportOperator(task_id="go_back", data_set="{{ params.back_to }}", poll_interval_s=2)
    new >> back


if settings.load().airflow.examples:
    airec_import()
