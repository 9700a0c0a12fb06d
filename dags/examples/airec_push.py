"""
Rows of the bucket into AIRec.

Shows `AirecPushOperator`: one task writes a few items as JSON lines into the bucket, one of them against AIRec's rules;
the next pushes them. The refused row is in the bucket with its reason, under the prefix that the task's result names.
Runs by hand; shown where `airflow.examples` is true.
"""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

from airflow.sdk import dag, task

from alibaba_ai.operators.airec_push import AirecPushOperator
from searchloom import settings

KEY = "examples/airec_push/items.jsonl"


@dag(
    schedule=None,
    catchup=False,
    default_args={"retries": 2, "retry_delay": timedelta(seconds=5)},
    params={"items": 20},
    tags=["example", "airec"],
    doc_md=__doc__,
)
def airec_push() -> None:
    """Write the rows, push them."""

    @task
    def write(*, params: dict[str, Any]) -> str:
        """Write items into the bucket, the last one of a type that AIRec does not know."""
        from alibaba_ai.hooks.oss import OssHook

        items = [
            {"id": f"example{number}", "kind": "article", "title": f"Article {number}", "status": 1, "scene_id": "home"}
            for number in range(params["items"])
        ]
        items.append({"id": "wrong", "kind": "sculpture"})
        OssHook().get_conn().put(KEY, "\n".join(map(json.dumps, items)).encode())
        return KEY

    push = AirecPushOperator(
        task_id="push",
        table="item",
        key=KEY,
        columns={"id": "item_id", "kind": "item_type", "title": "title", "status": "status", "scene_id": "scene_id"},
        max_refused=1,
        execution_timeout=timedelta(minutes=15),
    )
    write() >> push


if settings.load().airflow.examples:
    airec_push()
