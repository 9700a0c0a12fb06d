"""
A model's version in PAI's registry.

Shows `PaiRegisterModelOperator`: the first task registers a version as `Pending` with its measured quality; the second
approves it. Both may run again: a version that is there is brought to what is asked for. Runs by hand; shown where
`airflow.examples` is true.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import dag

from alibaba_ai.operators.pai_registry import PaiRegisterModelOperator
from searchloom import settings


@dag(
    schedule=None,
    catchup=False,
    default_args={"retries": 4, "retry_delay": timedelta(seconds=5), "execution_timeout": timedelta(minutes=5)},
    params={"model": "searchloom_example", "version": "1.0.0", "ndcg": 0.5},
    tags=["example", "pai"],
    doc_md=__doc__,
)
def pai_register_model() -> None:
    """Register, then approve."""
    version = {
        "model": "{{ params.model }}",
        "version": "{{ params.version }}",
        "uri": "oss://{{ conn.alibaba_oss.extra_dejson.bucket }}/examples/models/{{ params.version }}/",
        "task": "text-embedding",
        "metrics": {"nDCG@10": "{{ params.ndcg }}"},
    }
    register = PaiRegisterModelOperator(task_id="register", labels={"made_by": "{{ dag.dag_id }}"}, **version)
    approve = PaiRegisterModelOperator(task_id="approve", stage="Approved", **version)
    register >> approve


if settings.load().airflow.examples:
    pai_register_model()
