"""
Blue and green on PAI-EAS: share the traffic, scale, roll back, delete.

Shows `PaiEasReleaseOperator`, `PaiEasScaleOperator`, `PaiEasRollBackOperator`, `PaiEasDeleteOperator` and
`PaiEasServiceSensor`: two services of one group are deployed, green gets a quarter of the traffic, then two
instances, then a second version and its first one back; at the end both are deleted. Runs by hand; shown where
`airflow.examples` is true.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import chain, dag

from alibaba_ai.operators.pai_eas import PaiEasDeployOperator
from alibaba_ai.operators.pai_eas_traffic import (
    PaiEasDeleteOperator,
    PaiEasReleaseOperator,
    PaiEasRollBackOperator,
    PaiEasScaleOperator,
)
from alibaba_ai.sensors.pai import PaiEasServiceSensor
from searchloom import settings


def _spec(colour: str, version: int = 1) -> dict[str, Any]:
    return {
        "name": "{{ params.group }}_" + colour,
        "metadata": {"instance": 1, "cpu": 1, "memory": 1000, "group": "{{ params.group }}"},
        "containers": [
            {
                "image": "registry.cn-hangzhou.aliyuncs.com/pai-eas/python:3.11",
                "script": f"echo {colour} {version} > index.html; exec python -m http.server ${{PORT:-8000}}",
                "port": 8000,
            }
        ],
    }


@dag(
    schedule=None,
    catchup=False,
    default_args={"retries": 4, "retry_delay": timedelta(seconds=5), "execution_timeout": timedelta(minutes=15)},
    params={"group": "searchloom_colours"},
    tags=["example", "pai"],
    doc_md=__doc__,
)
def pai_eas_blue_green() -> None:
    """The life of two services."""
    blue, green, often = "{{ params.group }}_blue", "{{ params.group }}_green", {"poll_interval_s": 1}
    chain(
        [
            PaiEasDeployOperator(task_id="blue", spec=_spec("blue"), **often),
            PaiEasDeployOperator(task_id="green", spec=_spec("green"), **often),
        ],
        PaiEasServiceSensor(task_id="green_serves", service=green, poke_interval=1, timeout=600),
        PaiEasReleaseOperator(task_id="blue_takes_most", service=blue, weight=75),
        PaiEasReleaseOperator(task_id="green_takes_some", service=green, weight=25),
        PaiEasScaleOperator(task_id="two_of_green", service=green, instances=2, **often),
        PaiEasDeployOperator(task_id="another_green", spec=_spec("green", 2), **often),
        PaiEasRollBackOperator(task_id="former_green", service=green, version=1, **often),
        [
            PaiEasDeleteOperator(task_id="no_green", service=green, **often),
            PaiEasDeleteOperator(task_id="no_blue", service=blue, **often),
        ],
    )


if settings.load().airflow.examples:
    pai_eas_blue_green()
