"""
The order that is right for each person, learned anew every day from what people did.

1. `plan`: which files of the event log count, up to the end of the day; erased people are left out when they are read.
2. `train`: the way of learning is held against the model that serves, on what people did after that was learned; then
   everything is learned from, and the model is published in OSS (`models/personal/`), unless it loses.
3. `promote`: the pointer `personal/{corpus}/CURRENT.json` is moved; query modules take the model up by themselves, make
   their persons anew from the event log, and go on with the old one until then.

Beside it `look_for_drift` holds what people asked and chose in the last days against the weeks before: its log has a
sentence for each figure, the report is `drift/{corpus}/{day}.json`, and the board *Releases* shows it. Nothing waits
for it, and what has drifted stops nothing.

* **A day** (`2026-11-20`): the newest `personal.days` days of the log up to that one. Runs by itself at 02:00 UTC for
  the day before, corpus `default`; other corpora are triggered. A backfilled day never replaces a model of later days.
* **No day** (manual run without a partition key): up to today.
* With too little behaviour nothing is learned, the log says how much is needed, and the run is green.

When a task fails: `docs/runbook.md`, section *train_personal*.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import CronPartitionTimetable, Param, dag, task

from searchloom.settings import CORPUS_PATTERN
from searchloom_dags.oncall import default_args, log_group


@dag(
    # run_immediately: unpausing starts nothing by itself, whatever the hour
    schedule=CronPartitionTimetable(
        "0 2 * * *", timezone="UTC", run_offset=-1, key_format="%Y-%m-%d", run_immediately=timedelta()
    ),
    catchup=False,
    max_active_runs=1,
    params={"corpus": Param("default", type="string", pattern=CORPUS_PATTERN, description="Which corpus")},
    default_args=default_args(),
    doc_md=__doc__,
    tags=["searchloom", "personal"],
)
def train_personal() -> None:
    """Define the DAG."""

    @task
    def plan(*, params: dict[str, Any], dag_run: Any) -> dict[str, Any]:
        """Write down which files of the event log count."""
        from alibaba_ai.hooks.oss import OssHook
        from searchloom import settings
        from searchloom.personalization import daily

        return daily.plan(
            OssHook().get_conn(),
            corpus=params["corpus"],
            day=dag_run.partition_key,
            today=dag_run.run_after.date().isoformat(),
            run_id=dag_run.run_id,
            settings=settings.load().personal,
        )

    @task(execution_timeout=timedelta(hours=3))
    def train(planned: dict[str, Any]) -> dict[str, Any]:
        """Learn, hold it against what serves, publish it unless it loses."""
        from alibaba_ai.hooks.oss import OssHook
        from searchloom import settings
        from searchloom.personalization import daily

        with log_group(f"Learn {planned['version']}"):
            return daily.train(OssHook().get_conn(), plan=planned["plan"], settings=settings.load().personal)

    @task
    def promote(trained: dict[str, Any]) -> dict[str, Any]:
        """Let it serve; skipped where nothing was published."""
        from airflow.sdk.exceptions import AirflowSkipException

        from alibaba_ai.hooks.oss import OssHook
        from searchloom.personalization import daily

        if trained["version"] is None:
            raise AirflowSkipException(f"{trained['verdict']}: {trained['summary']}")
        return daily.promote(OssHook().get_conn(), trained=trained)

    @task(execution_timeout=timedelta(hours=1))
    def look_for_drift(*, params: dict[str, Any], dag_run: Any) -> dict[str, Any]:
        """Compare queries, their vectors and choices of the last days with those before."""
        from alibaba_ai.hooks.oss import OssHook
        from searchloom import settings
        from searchloom.evaluation.drift import daily

        return daily.look(
            OssHook().get_conn(),
            corpus=params["corpus"],
            day=dag_run.partition_key or dag_run.run_after.date().isoformat(),
            settings=settings.load(),
        )

    promote(train(plan()))
    look_for_drift()


train_personal()
