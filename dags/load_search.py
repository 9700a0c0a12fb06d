"""
From chunks and vectors into both engines.

Writes what was committed since the last load into the live index generation of OpenSearch and of Elasticsearch, with
the vectors of the live release's model, takes out what is gone, and verifies counts and a sample of ids and versions.
Documents whose vectors are missing are left for later. Writes carry the commit's number as external version: repeating
a load changes nothing.

* Runs when `embed_corpus` announces vectors; its partition key is `{corpus}|{day}`. It always loads everything
  outstanding of the corpus: the day is only a name.
* The first load of a corpus creates generation 1 in both engines and, once both are verified, publishes release 1.
* By hand: trigger with the partition key `{corpus}|all`, or with `{"corpus": "..."}` and no key.

When a task fails: `docs/runbook.md`, section *load_search*.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import closing
from datetime import timedelta
from typing import Any

from airflow.sdk import Param, PartitionedAssetTimetable, dag, get_current_context, task

from searchloom.orchestration import keys
from searchloom.settings import CORPUS_PATTERN, ENGINES, EngineName
from searchloom_dags.assets import SEARCH_INDEX, VECTORS
from searchloom_dags.oncall import default_args

log = logging.getLogger(__name__)


@dag(
    schedule=PartitionedAssetTimetable(assets=VECTORS),
    catchup=False,
    is_paused_upon_creation=False,  # a paused DAG does not see the events of its assets
    max_active_runs=1,  # the second of two loads of one corpus would only repeat the first
    params={
        "corpus": Param(
            "default", type="string", pattern=CORPUS_PATTERN, description="Which corpus, if there is no key"
        )
    },
    default_args=default_args(),
    doc_md=__doc__,
    tags=["searchloom", "engines"],
)
def load_search() -> None:
    """Define the DAG."""

    @task
    def prepare(*, params: dict[str, Any], dag_run: Any) -> dict[str, Any]:
        """Find the generation to load; the first time, create it in both engines."""
        from alibaba_ai.hooks.oss import OssHook
        from search_engines.hooks.loader import loader_of
        from searchloom import settings
        from searchloom.orchestration import live

        key = dag_run.partition_key or keys.composite(params["corpus"], None)
        corpus, _ = keys.split(key)
        oss = OssHook().get_conn()
        card, indices = live.target(oss, corpus, settings.load())
        for engine, index in indices.items():
            with closing(loader_of(engine)) as loader:
                if live.ensure_index(loader, index, corpus=corpus, card=card):
                    log.info("%s: created index %s (%d dimensions)", engine, index, card.dims)
        return {"key": key, "corpus": corpus, "version": card.version, "indices": indices}

    @task(
        map_index_template="{{ outcome | default(task.op_kwargs['engine'] | string) }}",
        execution_timeout=timedelta(hours=6),
    )
    def load(prepared: dict[str, Any], engine: EngineName) -> dict[str, Any]:
        """Load what one engine lacks, then verify counts and a sample of ids and versions."""
        from alibaba_ai.hooks.oss import OssHook
        from searchloom_dags.steps import load_engine

        counts, get_current_context()["outcome"] = load_engine(
            OssHook().get_conn(),
            engine,
            corpus=prepared["corpus"],
            index=prepared["indices"][engine],
            version=prepared["version"],
        )
        return counts

    @task(outlets=[SEARCH_INDEX])
    def publish(prepared: dict[str, Any], loaded: Sequence[dict[str, Any]], *, outlet_events: Any) -> dict[str, Any]:
        """Publish the first release of the corpus, if it has none; tell that the engines hold the commits."""
        from alibaba_ai.hooks.oss import OssHook
        from search_engines.hooks.loader import loader_of
        from searchloom.orchestration import live

        release = live.ensure_release(OssHook().get_conn(), loader_of, prepared["corpus"], prepared["version"])
        done = {"key": prepared["key"], "release": release, "engines": {report["engine"]: report for report in loaded}}
        event = outlet_events[SEARCH_INDEX]
        event.extra = done
        event.add_partitions(prepared["key"])
        return done

    prepared = prepare()
    loaded = load.partial(prepared=prepared).expand(engine=list(ENGINES))
    publish(prepared, loaded)


load_search()
