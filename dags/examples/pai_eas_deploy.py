"""A service on PAI-EAS, created or brought to another version. Shown where ``airflow.examples`` is true."""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import dag

from alibaba_ai.operators.pai_eas import PaiEasDeployOperator
from searchloom import settings


@dag(
    schedule=None,
    catchup=False,
    default_args={"retries": 4, "retry_delay": timedelta(seconds=5)},
    params={"service": "searchloom_example", "colour": "blue"},
    tags=["example", "pai"],
    doc_md=__doc__,
)
def pai_eas_deploy() -> None:
    """One task; another colour makes another version, the same one changes nothing."""
    PaiEasDeployOperator(
        task_id="deploy",
        spec={
            "name": "{{ params.service }}",
            "metadata": {"instance": 1, "cpu": 1, "memory": 1000},
            "containers": [
                {
                    "image": "registry.cn-hangzhou.aliyuncs.com/pai-eas/python:3.11",
                    "script": "echo {{ params.colour }} > index.html; exec python -m http.server ${PORT:-8000}",
                    "port": 8000,
                }
            ],
        },
        poll_interval_s=2,
        execution_timeout=timedelta(minutes=15),
    )


if settings.load().airflow.examples:
    pai_eas_deploy()
