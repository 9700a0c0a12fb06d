"""
Waiting for objects of the bucket.

Shows `OssObjectSensor` and `OssPrefixSensor`: one task writes a few parts and, last, a marker; one sensor waits for
the marker, the other for enough parts, both in the triggerer. Runs by hand; shown where `airflow.examples` is true.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import Param, dag, task

from alibaba_ai.sensors.oss import OssObjectSensor, OssPrefixSensor
from searchloom import settings

FOLDER = "examples/oss_sensors/{{ params.folder or (run_id | replace('/', '-')) }}/"


@dag(
    schedule=None,
    catchup=False,
    default_args={"retries": 4, "retry_delay": timedelta(seconds=5)},
    params={"parts": 3, "folder": Param("", type="string", description="Empty: a folder for each run")},
    tags=["example", "oss"],
    doc_md=__doc__,
)
def oss_sensors() -> None:
    """One task writes, two wait."""

    @task
    def write(folder: str, *, params: dict[str, Any]) -> None:
        """Write the parts, then the marker."""
        from alibaba_ai.hooks.oss import OssHook

        oss = OssHook().get_conn()
        for number in range(params["parts"]):
            oss.put(f"{folder}part-{number}.txt", b"part")
        oss.put(f"{folder}_SUCCESS", b"")

    write(FOLDER)
    OssObjectSensor(task_id="marker", key=f"{FOLDER}_SUCCESS", poke_interval=2, timeout=600)
    OssPrefixSensor(
        task_id="parts", prefix=f"{FOLDER}part-", at_least="{{ params.parts }}", poke_interval=2, timeout=600
    )


if settings.load().airflow.examples:
    oss_sensors()
