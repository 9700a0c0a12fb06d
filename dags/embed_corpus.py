"""
From chunks to vectors, with the model of the live release.

Embeds only the texts that no parquet file holds a vector of yet, under the model version that the live release names
(before the first release: the base model, published to OSS once). The same text is embedded once, wherever it occurs.

* Runs when `ingest_corpus` announces chunks; its partition key is `{corpus}|{day}`.
* When an engine still lacks an earlier commit, every day is looked at, not only this one: what a failed run left behind
  heals here.
* By hand: trigger with the partition key `{corpus}|{day}` or `{corpus}|all`, or with `{"corpus": "..."}` and no key
  (all days).

When a task fails: `docs/runbook.md`, section *embed_corpus*.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from airflow.sdk import Param, PartitionedAssetTimetable, dag, get_current_context, task

from searchloom import settings
from searchloom.orchestration import keys
from searchloom.settings import CORPUS_PATTERN
from searchloom_dags.assets import CHUNKS, VECTORS
from searchloom_dags.oncall import default_args, log_group

log = logging.getLogger(__name__)


@dag(
    schedule=PartitionedAssetTimetable(assets=CHUNKS),
    catchup=False,
    is_paused_upon_creation=False,  # a paused DAG does not see the events of its assets
    max_active_runs=1,  # runs of several days would embed the same missing texts at the same time
    params={
        "corpus": Param(
            "default", type="string", pattern=CORPUS_PATTERN, description="Which corpus, if there is no key"
        )
    },
    default_args=default_args(),
    doc_md=__doc__,
    tags=["searchloom", "embedding"],
)
def embed_corpus() -> None:
    """Define the DAG."""

    @task
    def plan(*, params: dict[str, Any], dag_run: Any, ti: Any) -> list[int]:
        """Choose the model and list the texts that have no vector of it; the groups of them are mapped over."""
        from alibaba_ai.hooks.oss import OssHook
        from search_engines.hooks.loader import loader_of
        from searchloom.embedding import shards
        from searchloom.orchestration import live

        key = dag_run.partition_key or keys.composite(params["corpus"], None)
        corpus, partition = keys.split(key)
        oss = OssHook().get_conn()
        configuration = settings.load()
        if partition and live.lagging(oss, loader_of, corpus, besides=partition):
            log.info("an engine lacks commits of other days than %s: looking at all days", partition)
            partition = None
        with log_group(f"Which texts of {key} have no vector"):
            card = live.model(oss, corpus, configuration)
            planned = shards.plan(
                oss,
                corpus=corpus,
                partition=partition,
                run_id=dag_run.run_id,
                model=card,
                group_size=configuration.embedding.group_size,
            )
        ti.xcom_push("plan", {**planned, "key": key, "version": card.version})
        return list(range(planned["groups"]))

    @task(
        map_index_template="{{ outcome | default('group ' ~ (ti.map_index + 1)) }}",
        max_active_tis_per_dag=settings.load().airflow.embed_tasks,
        execution_timeout=timedelta(hours=6),
    )
    def embed(plan: dict[str, Any], group: int) -> dict[str, Any]:
        """Embed one group of texts."""
        from searchloom_dags.steps import embed_group

        counts, get_current_context()["outcome"] = embed_group(plan, group)
        return counts

    @task(trigger_rule="none_failed", outlets=[VECTORS])
    def announce(
        plan: dict[str, Any], groups: Sequence[dict[str, Any]] | None, *, outlet_events: Any
    ) -> dict[str, Any]:
        """Tell `load_search` that the vectors are there."""
        embedded = sum(group["embedded"] for group in groups or ())
        done = {**{name: plan[name] for name in ("key", "version", "present")}, "embedded": embedded}
        log.info("%s: embedded %d texts with %s", done["key"], done["embedded"], done["version"])
        event = outlet_events[VECTORS]
        event.extra = done
        event.add_partitions(plan["key"])
        return done

    groups = plan()
    planned = groups["plan"]
    announce(planned, embed.partial(plan=planned).expand(group=groups))


embed_corpus()
