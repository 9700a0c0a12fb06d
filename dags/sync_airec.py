"""
Documents, people and behaviour into AIRec.

For each corpus: plans what AIRec lacks (documents since the last commit it holds, from the manifest and the chunks;
events of the log that it has not had, and the people in them; deletions; people who were erased), sends it in requests
of the documented size, and reconciles: the report says for each table what was to be sent, accepted, refused, missing.

* **By itself** every hour, for the corpora of `airec.corpora`; its key is the hour before (`2026-11-20T13`). It takes
  everything outstanding that was written before the end of that hour; a missed hour heals with the next. Events may
  come `airec.window_days` late.
* **Days**, for backfills: `searchloom run sync_airec --from D --to D` runs the last hour of each, which takes what is
  outstanding of the day and of the window before it. Older days, as after `searchloom events import`: so, or without a
  key.
* **No key**: everything outstanding, of any day. `corpus`: this one only.
* `full`: send all documents and people again, for an instance that lost them. Behaviour can only be added and is never
  sent again; another instance id begins with nothing and gets all of it.
* `replay`: take up the dead letters as well (`searchloom airec replay` does the same without Airflow).
* `start_instance`: afterwards let the instance run on what was pushed (RunInstance): once, for a new one.

The same event counts once, however often it is in the log. Every task may be cleared: what was answered is not sent
again. `reconcile` is red when rows are missing after all retries; the next run sends them.

When a task fails: `docs/runbook.md`, section *sync_airec*.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

from airflow.sdk import CronPartitionTimetable, Param, TriggerRule, dag, get_current_context, task, task_group

from alibaba_ai.operators.airec import AirecImportOperator
from searchloom.orchestration import keys
from searchloom.settings import CORPUS_PATTERN
from searchloom_dags.oncall import default_args, log_group

log = logging.getLogger(__name__)


@dag(
    schedule=CronPartitionTimetable(
        "20 * * * *", timezone="UTC", run_offset=-1, key_format=keys.HOUR, run_immediately=timedelta()
    ),
    catchup=False,
    max_active_runs=1,  # a second one would take over what the first has not sent yet
    params={
        "corpus": Param(
            None, type=["null", "string"], pattern=CORPUS_PATTERN, description="Only this one; else airec.corpora"
        ),
        "full": Param(default=False, type="boolean", description="Send all documents and people again"),
        "replay": Param(default=False, type="boolean", description="Take up the dead letters"),
        "start_instance": Param(default=False, type="boolean", description="Let the instance run on what was pushed"),
    },
    default_args=default_args(),
    doc_md=__doc__,
    tags=["searchloom", "airec"],
)
def sync_airec() -> None:
    """Define the DAG."""

    @task
    def corpora(*, params: dict[str, Any]) -> list[str]:
        """Name the corpora to send."""
        from searchloom import settings

        return [params["corpus"]] if params["corpus"] else list(settings.load().airec.corpora)

    @task_group
    def sync(corpus: str) -> None:
        """Bring AIRec up to one corpus."""

        @task(map_index_template="{{ outcome | default('plan') }}")
        def plan(corpus: str, *, params: dict[str, Any], dag_run: Any) -> dict[str, Any]:
            """Write down what AIRec lacks, as requests."""
            from alibaba_ai.hooks.airec import AirecHook
            from alibaba_ai.hooks.oss import OssHook
            from searchloom import settings
            from searchloom.behaviour import sync

            key, airec = dag_run.partition_key, AirecHook().get_conn()
            with log_group(f"Compare corpus {corpus} with what instance {airec.instance_id} holds"):
                planned = sync.plan(
                    OssHook().get_conn(),
                    instance=airec.instance_id,
                    scene_id=airec.scene_id,
                    corpus=corpus,
                    run_id=dag_run.run_id,
                    before=keys.end_of_hour(key) if key else None,
                    full=params["full"],
                    replay=params["replay"],
                    settings=settings.load(),
                )
            counts = ", ".join(f"{planned[table]} {table}" for table in sync.TABLES)
            get_current_context()["outcome"] = f"{corpus}: {counts}"
            return planned

        @task(map_index_template="{{ outcome | default('push') }}", execution_timeout=timedelta(hours=3))
        def push(plan: dict[str, Any], table: str) -> dict[str, Any]:
            """Send one table, request by request; a retry goes on after the last answer."""
            from alibaba_ai.hooks.airec import AirecHook
            from alibaba_ai.hooks.oss import OssHook
            from searchloom.behaviour import sync

            counts = sync.push(OssHook().get_conn(), AirecHook().get_conn(), plan=plan["plan"], table=table)
            get_current_context()["outcome"] = f"{plan['corpus']}: {counts.get('accepted', 0)} accepted"
            return counts

        # Also where a push has failed for good: what was sent is noted, and the report says what is missing.
        @task(map_index_template="{{ outcome | default('reconcile') }}", trigger_rule=TriggerRule.ALL_DONE)
        def reconcile(plan: dict[str, Any] | None) -> dict[str, Any]:
            """Note what AIRec has taken, and report; red where something is missing."""
            from alibaba_ai.hooks.oss import OssHook
            from searchloom.behaviour import sync
            from searchloom.errors import Terminal

            if plan is None:
                raise Terminal("nothing was planned: the task plan before this one says why; clear it")
            report = sync.reconcile(OssHook().get_conn(), plan=plan["plan"])
            get_current_context()["outcome"] = f"{report['corpus']}: difference {report['missing']}"
            return report

        planned = plan(corpus)
        items = push.override(task_id="push_items")(planned, "item")
        users = push.override(task_id="push_users")(planned, "user")
        behaviour = push.override(task_id="push_behaviour")(planned, "behavior")
        items >> users >> behaviour >> reconcile(planned)

    @task.short_circuit
    def is_new(*, params: dict[str, Any]) -> bool:
        """Go on only where the instance is to be started."""
        return bool(params["start_instance"])

    start = AirecImportOperator(task_id="start_instance", execution_timeout=timedelta(hours=6))
    sync.expand(corpus=corpora()) >> is_new() >> start


sync_airec()
