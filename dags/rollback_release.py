"""
Back to the release that served before, in both engines at once, in seconds.

Points the aliases of OpenSearch and of Elasticsearch and the pointer that the query module reads at the release before
the live one, or at the one whose number is given. Searches go on meanwhile; each is answered by one release.

* By hand only: trigger with `{"corpus": "..."}`, and `{"number": n}` for a certain release. Promoting a later release
  again is the same: give its number.
* Which release it goes to is settled by the first task: clearing or retrying the second does not go further back.
* Then `embed_corpus` and `load_search` bring the older generation up to date with what was ingested since.

When a task fails: `docs/runbook.md`, section *rollback_release*.
"""

from __future__ import annotations

import logging
from contextlib import ExitStack, closing
from datetime import timedelta
from typing import Any

from airflow.sdk import Param, dag, task

from searchloom.settings import CORPUS_PATTERN, ENGINES
from searchloom_dags.assets import CHUNKS
from searchloom_dags.oncall import default_args

log = logging.getLogger(__name__)


@dag(
    schedule=None,
    catchup=False,
    is_paused_upon_creation=False,
    max_active_runs=1,
    params={
        "corpus": Param("default", type="string", pattern=CORPUS_PATTERN, description="Which corpus"),
        "number": Param(
            None, type=["null", "integer"], minimum=1, description="Which release; empty: the one before the live one"
        ),
    },
    default_args=default_args() | {"execution_timeout": timedelta(minutes=10)},
    doc_md=__doc__,
    tags=["searchloom", "release"],
)
def rollback_release() -> None:
    """Define the DAG."""

    @task
    def choose(*, params: dict[str, Any]) -> dict[str, Any]:
        """Settle which release takes over, and make sure that its services answer."""
        from alibaba_ai.hooks.oss import OssHook
        from searchloom import settings
        from searchloom.release import registry, services

        oss, corpus = OssHook().get_conn(), params["corpus"]
        number = params["number"] or registry.before(oss, corpus)
        services.require(registry.get(oss, corpus, number), settings.load())
        return {"corpus": corpus, "number": number}

    @task(outlets=[CHUNKS])
    def promote(chosen: dict[str, Any], *, dag_run: Any, outlet_events: Any) -> dict[str, Any]:
        """Let it take over, in both engines or in none; then have its index brought up to date."""
        from alibaba_ai.hooks.oss import OssHook
        from search_engines.hooks.loader import loader_of
        from searchloom.orchestration import keys
        from searchloom.release import registry

        corpus = chosen["corpus"]
        with ExitStack() as stack:
            loaders = {name: stack.enter_context(closing(loader_of(name))) for name in ENGINES}
            release = registry.promote(
                OssHook().get_conn(), loaders, corpus=corpus, number=chosen["number"], owner=dag_run.run_id
            )
        key = keys.composite(corpus, None)
        done = {"key": key, "release": release.number, "embedding": release.embedding.version}
        event = outlet_events[CHUNKS]
        event.extra = done
        event.add_partitions(key)
        return done

    promote(choose())


rollback_release()
