"""A command on PAI-DLC: reads a folder of OSS, writes another one. Shown where ``airflow.examples`` is true."""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import dag

from alibaba_ai.operators.pai_dlc import PaiDlcJobOperator
from searchloom import settings


@dag(
    schedule=None,
    catchup=False,
    default_args={"retries": 4, "retry_delay": timedelta(seconds=5)},
    params={"words": "hello from PAI-DLC", "seconds": 10, "folder": "examples/pai_dlc_job"},
    tags=["example", "pai"],
    doc_md=__doc__,
)
def pai_dlc_job() -> None:
    """One task that writes a line a second, and a file at its end."""
    PaiDlcJobOperator(
        task_id="job",
        image="registry.cn-hangzhou.aliyuncs.com/pai-dlc/python-training:3.11",
        machines={"ecs_spec": "ecs.c6.large"},
        command=(
            "for i in $(seq {{ params.seconds }}); do echo second $i; sleep 1; done; "
            'echo "$WORDS" | tee /mnt/output/words.txt'
        ),
        environment={"WORDS": "{{ params.words }}"},
        data_sources=[
            {
                "uri": "oss://{{ conn.alibaba_oss.extra_dejson.bucket }}/{{ params.folder }}/",
                "path": "/mnt/output",
                "access": "RW",
            }
        ],
        max_minutes=10,
        poll_interval_s=2,
        execution_timeout=timedelta(minutes=15),
    )


if settings.load().airflow.examples:
    pai_dlc_job()
