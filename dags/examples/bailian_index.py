"""
An index of Bailian's own RAG.

Shows `BailianIndexOperator`: one task writes two texts into the bucket; the next adds them to Bailian, waits until they
are parsed and the index is filled; the last one retrieves from it. The index ends in Bailian's store: for the two
engines see `engine_generation`. Runs by hand; shown where `airflow.examples` is true.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import dag, task

from alibaba_ai.operators.bailian_index import BailianIndexOperator
from searchloom import settings

TEXTS = {
    "examples/bailian_index/whales.txt": "Whales sing to each other over hundreds of kilometres.",
    "examples/bailian_index/bread.txt": "Bread rises because yeast makes carbon dioxide in the dough.",
}


@dag(
    schedule=None,
    catchup=False,
    default_args={"retries": 4, "retry_delay": timedelta(seconds=5)},
    params={"index": "searchloom_example", "query": "How do animals talk in the sea?"},
    tags=["example", "bailian"],
    doc_md=__doc__,
)
def bailian_index() -> None:
    """Write, index, retrieve."""

    @task
    def write() -> None:
        """Write the texts into the bucket."""
        from alibaba_ai.hooks.oss import OssHook

        oss = OssHook().get_conn()
        for key, text in TEXTS.items():
            oss.put(key, text.encode(), content_type="text/plain")

    index = BailianIndexOperator(
        task_id="index",
        name="{{ params.index }}",
        keys=list(TEXTS),
        poll_interval_s=2,
        execution_timeout=timedelta(minutes=30),
    )

    @task
    def retrieve(index_id: str, query: str) -> str:
        """Return the best chunk."""
        from alibaba_ai.hooks.bailian import BailianHook

        nodes = BailianHook().rag().retrieve(index_id=index_id, query=query, top=1)
        return nodes[0].text

    write() >> index
    retrieve(index.output, "{{ params.query }}")


if settings.load().airflow.examples:
    bailian_index()
