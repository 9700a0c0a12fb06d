"""
From files in OSS to chunks in parquet.

Lists `raw/{corpus}/`, compares it with the manifest, parses and chunks what is new or changed, quarantines what cannot
be read (the rest goes on), notes what is gone, and commits all of it at once.

* **A day** (`2026-11-20`): everything outstanding that was modified before the end of that day; a missed day heals with
  the next. Runs by itself at 01:00 UTC for the day before, corpus `default`; other corpora are triggered. Backfill by
  date range: *Trigger, Backfill*.
* **No day** (manual run without a partition key): everything outstanding; chunks go to today's partition.
* `reprocess`: parse again what was modified on that day (without a day: everything).
* `allow_deletes`: remove documents even if more are gone than `ingest.max_delete_ratio` allows.

`parse` is mapped over batches; with nothing to parse it is skipped, and so is `announce` when both engines hold every
commit already. It runs when something was committed, and also when an engine lags behind an earlier commit: then
`embed_corpus` and `load_search` run again and heal what failed before.

When a task fails: `docs/runbook.md`, section *ingest_corpus*.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

from airflow.sdk import CronPartitionTimetable, Param, dag, get_current_context, task

from searchloom.orchestration import keys
from searchloom.settings import CORPUS_PATTERN
from searchloom_dags.assets import CHUNKS
from searchloom_dags.oncall import default_args, log_group

log = logging.getLogger(__name__)


@dag(
    # run_immediately: unpausing starts nothing by itself, whatever the hour
    schedule=CronPartitionTimetable(
        "0 1 * * *", timezone="UTC", run_offset=-1, key_format="%Y-%m-%d", run_immediately=timedelta()
    ),
    catchup=False,
    max_active_runs=4,  # for several corpora; two runs of one corpus take turns at the manifest's lease
    params={
        "corpus": Param("default", type="string", pattern=CORPUS_PATTERN, description="Which corpus"),
        "reprocess": Param(default=False, type="boolean", description="Parse again what did not change"),
        "allow_deletes": Param(default=False, type="boolean", description="Remove any number of documents"),
    },
    default_args=default_args(),
    doc_md=__doc__,
    tags=["searchloom", "corpus"],
)
def ingest_corpus() -> None:
    """Define the DAG."""

    @task
    def plan(*, params: dict[str, Any], dag_run: Any, ti: Any) -> list[int]:
        """List the corpus and write down what has to be done; the batches of it are mapped over."""
        from alibaba_ai.hooks.oss import OssHook
        from searchloom import settings
        from searchloom.corpus import ingest, manifest
        from searchloom.errors import NotFound

        corpus, key = params["corpus"], dag_run.partition_key
        oss = OssHook().get_conn()
        with log_group(f"Compare corpus {corpus} with its manifest"):
            planned = ingest.plan(
                oss,
                corpus=corpus,
                partition=key or dag_run.run_after.date().isoformat(),
                run_id=dag_run.run_id,
                modified_before=keys.end_of(key) if key else None,
                reprocess=params["reprocess"],
                allow_deletes=params["allow_deletes"],
                settings=settings.load(),
            )
        if not planned["listed"] and not manifest.read(oss, corpus).seq:
            place = f"oss://{oss.bucket_name}/raw/{corpus}/"
            raise NotFound(f"there is nothing in {place}; put documents there: searchloom corpus put --corpus {corpus}")
        ti.xcom_push("plan", planned)
        return list(range(planned["batches"]))

    @task(map_index_template="{{ outcome | default('batch ' ~ (ti.map_index + 1)) }}")
    def parse(plan: dict[str, Any], batch: int) -> dict[str, Any]:
        """Parse and chunk one batch of files."""
        from alibaba_ai.hooks.oss import OssHook
        from searchloom import settings
        from searchloom.corpus import ingest

        counts = ingest.parse_batch(OssHook().get_conn(), plan=plan["plan"], batch=batch, settings=settings.load())
        get_current_context()["outcome"] = f"batch {batch + 1}: " + ", ".join(
            f"{n} {what}" for what, n in counts.items() if n
        )
        return counts

    @task(trigger_rule="none_failed")
    def commit(plan: dict[str, Any]) -> dict[str, Any]:
        """Commit what was parsed to the manifest, whole or not at all."""
        from alibaba_ai.hooks.oss import OssHook
        from searchloom.corpus import ingest

        return ingest.commit(OssHook().get_conn(), plan=plan["plan"])

    @task(trigger_rule="none_failed", outlets=[CHUNKS])
    def announce(committed: dict[str, Any], *, outlet_events: Any) -> dict[str, Any]:
        """Tell `embed_corpus` that chunks are there; skipped when both engines have every commit."""
        from airflow.sdk.exceptions import AirflowSkipException

        from alibaba_ai.hooks.oss import OssHook
        from search_engines.hooks.loader import loader_of
        from searchloom.orchestration import live

        corpus, partition = committed["corpus"], committed["partition"]
        if committed["seq"] is None and not live.lagging(OssHook().get_conn(), loader_of, corpus):
            raise AirflowSkipException(f"corpus {corpus!r}: nothing changed, and both engines hold every commit")
        event = outlet_events[CHUNKS]
        event.extra = committed
        key = keys.composite(corpus, partition)
        event.add_partitions(key)
        return {"key": key}

    batches = plan()
    planned = batches["plan"]
    parsed = parse.partial(plan=planned).expand(batch=batches)
    committed = commit(planned)
    parsed >> committed
    announce(committed)


ingest_corpus()
