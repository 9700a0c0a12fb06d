"""
A new index generation of a corpus, in each engine.

Shows `IndexOperator`, `BulkLoadOperator` and `AliasOperator` for OpenSearch and for Elasticsearch: the type of the
connection says which engine it is. The index is created for the corpus and its model, loaded from the parquet files
of the bucket, verified, and an alias of the example's own is swapped to it: what serves is not touched. Runs by hand,
for a corpus that `ingest_corpus` and `embed_corpus` have read; shown where `airflow.examples` is true.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import Param, chain, dag, task_group

from search_engines.operators.generation import AliasOperator, BulkLoadOperator, IndexOperator
from searchloom import settings
from searchloom.settings import CORPUS_PATTERN, ENGINES


@dag(
    schedule=None,
    catchup=False,
    default_args={"retries": 4, "retry_delay": timedelta(seconds=5), "execution_timeout": timedelta(hours=1)},
    params={
        "corpus": Param("default", type="string", pattern=CORPUS_PATTERN),
        "embedding_version": "all-minilm-l6-v2",
        "dims": 384,
        "index": "example_generation",
    },
    tags=["example", "engines"],
    doc_md=__doc__,
)
def engine_generation() -> None:
    """The same three tasks for each engine."""
    for engine in ENGINES:

        @task_group(group_id=engine)
        def generation(connection: str) -> None:
            """Create, load, swap."""
            index = {"index": "{{ params.index }}", "engine_conn_id": connection}
            chain(
                IndexOperator(
                    task_id="create",
                    corpus="{{ params.corpus }}",
                    embedding_version="{{ params.embedding_version }}",
                    dims="{{ params.dims }}",
                    **index,
                ),
                BulkLoadOperator(task_id="load", **index),
                AliasOperator(task_id="swap", alias="{{ params.index }}_alias", **index),
            )

        generation(f"{engine}_default")


if settings.load().airflow.examples:
    engine_generation()
