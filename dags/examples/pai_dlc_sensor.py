"""
A job of PAI-DLC that somebody else started.

Shows `PaiDlcJobSensor`: the first task starts a job by the client and ends at once, as a colleague at the console
would; the sensor copies the job's log while it waits, and does not stop the job when the task is killed. Runs by
hand; shown where `airflow.examples` is true.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import dag, task

from alibaba_ai.sensors.pai import PaiDlcJobSensor
from searchloom import settings


@dag(
    schedule=None,
    catchup=False,
    default_args={"retries": 4, "retry_delay": timedelta(seconds=5)},
    tags=["example", "pai"],
    doc_md=__doc__,
)
def pai_dlc_sensor() -> None:
    """Start a job elsewhere, wait for it here."""

    @task
    def start(*, run_id: str) -> str:
        """Start the job, once for a run."""
        from alibaba_ai.hooks.pai import PaiHook
        from searchloom.cloud.pai_dlc import JobRequest

        request = JobRequest(
            name=f"pai_dlc_sensor-{run_id}",
            command="for i in 1 2 3; do echo second $i; sleep 1; done",
            image="registry.cn-hangzhou.aliyuncs.com/pai-dlc/python-training:3.11",
            ecs_spec="ecs.c6.large",
            max_minutes=10,
        )
        return PaiHook().get_conn().submit(request)

    PaiDlcJobSensor(task_id="wait", job_id=start(), poke_interval=1, timeout=900)


if settings.load().airflow.examples:
    pai_dlc_sensor()
