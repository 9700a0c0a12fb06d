"""
A model fine-tuned in Bailian.

Shows `BailianFineTuneOperator`: one task writes a few conversations as JSON lines into the bucket; the next uploads
them, fine-tunes the model that the parameter names, and copies the training's log while it waits. Its result is the
name of the new model. Marking the task as failed cancels the fine-tune. Runs by hand; shown where `airflow.examples`
is true.
"""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

from airflow.sdk import dag, task

from alibaba_ai.operators.bailian_fine_tune import BailianFineTuneOperator
from searchloom import settings

KEY = "examples/bailian_fine_tune/train.jsonl"


@dag(
    schedule=None,
    catchup=False,
    default_args={"retries": 4, "retry_delay": timedelta(seconds=5)},
    params={"model": "qwen-turbo", "conversations": 10, "epochs": 1},
    render_template_as_native_obj=True,
    tags=["example", "bailian"],
    doc_md=__doc__,
)
def bailian_fine_tune() -> None:
    """Write the conversations, fine-tune."""

    @task
    def write(*, params: dict[str, Any]) -> None:
        """Write conversations into the bucket."""
        from alibaba_ai.hooks.oss import OssHook

        lines = [
            {
                "messages": [
                    {"role": "user", "content": f"What is the number of whale {number}?"},
                    {"role": "assistant", "content": f"The number of whale {number} is {number}."},
                ]
            }
            for number in range(params["conversations"])
        ]
        OssHook().get_conn().put(KEY, "\n".join(map(json.dumps, lines)).encode())

    fine_tune = BailianFineTuneOperator(
        task_id="fine_tune",
        model="{{ params.model }}",
        training=[KEY],
        hyper_parameters={"n_epochs": "{{ params.epochs }}", "batch_size": 4},
        suffix="example",
        poll_interval_s=2,
        execution_timeout=timedelta(hours=1),
    )
    write() >> fine_tune


if settings.load().airflow.examples:
    bailian_fine_tune()
