"""
A model that serves in Bailian.

Shows `BailianDeployOperator`: the model that the parameter names is deployed, or a deployment that is there is brought
to the capacity; the task's result is the name that calls give as model, which the next task asks. Runs by hand; shown
where `airflow.examples` is true.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import dag, task

from alibaba_ai.operators.bailian_deploy import BailianDeployOperator
from searchloom import settings


@dag(
    schedule=None,
    catchup=False,
    default_args={"retries": 4, "retry_delay": timedelta(seconds=5)},
    params={"model": "qwen-turbo", "capacity": 1, "suffix": "example"},
    tags=["example", "bailian"],
    doc_md=__doc__,
)
def bailian_deploy() -> None:
    """Deploy, then ask."""
    deployed = BailianDeployOperator(
        task_id="deploy",
        model="{{ params.model }}",
        capacity="{{ params.capacity }}",
        suffix="{{ params.suffix }}",
        poll_interval_s=2,
        execution_timeout=timedelta(minutes=30),
    )

    @task
    def ask(model: str) -> str:
        """Ask the deployed model something."""
        from alibaba_ai.hooks.bailian import BailianHook

        bailian = BailianHook().get_conn()
        try:
            return bailian.chat([{"role": "user", "content": "Say hello."}], model=model, max_tokens=16).text
        finally:
            bailian.close()

    ask(deployed.output)


if settings.load().airflow.examples:
    bailian_deploy()
