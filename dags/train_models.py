"""
From what a company knows to its own models, judged before they serve.

1. `collect`: a training set from judgments, clicks and the corpus itself, with mined hard negatives.
2. `train_embedding`, `train_reranker`: jobs of PAI-DLC; their logs are in the task's log, their models in OSS.
3. `vectors`, `embed`, `load`: a new index generation in both engines, beside the one that serves.
4. `judge`: the candidate against the live release, on both engines: `better`, `worse` or `not enough evidence`.
5. Only what is better goes on: `approve` (where the run asks for a person), `deploy` (PAI-EAS, warm and probed),
   `promote`.
6. `clear_up`: a refused candidate leaves nothing behind; of the old releases the last one stays for a roll-back.

Searches go on during all of it. The board *Releases* shows who won by how much. Runs weekly for the corpus `default`,
and by hand with any corpus. When a task fails: `docs/runbook.md`, section *train_models*.
"""

from __future__ import annotations

import logging
from dataclasses import asdict
from datetime import timedelta
from typing import Any

from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import CronTriggerTimetable, Param, dag, get_current_context, task

from alibaba_ai.operators.pai_dlc import PaiDlcJobOperator
from alibaba_ai.operators.pai_registry import PaiRegisterModelOperator
from searchloom import settings
from searchloom.embedding.card import Kind, registered_name
from searchloom.settings import CORPUS_PATTERN, ENGINES, EngineName
from searchloom.training.parameters import EmbeddingParameters, RerankerParameters
from searchloom_dags.oncall import default_args, log_group

log = logging.getLogger(__name__)

_MINUTES = {"embedding": EmbeddingParameters().max_minutes, "reranker": RerankerParameters().max_minutes}


@task(multiple_outputs=True)
def collect(*, params: dict[str, Any], dag_run: Any) -> dict[str, Any]:
    """Build the training set, name the candidate, describe the jobs."""
    from alibaba_ai.hooks.oss import OssHook
    from alibaba_ai.hooks.pai import PaiHook
    from search_engines.hooks.loader import loader_of
    from searchloom.embedding.card import model_prefix
    from searchloom.orchestration import candidate, training

    oss, configuration = OssHook().get_conn(), settings.load()
    with log_group(f"Training set of {params['corpus']}"):
        built = training.training_set(oss, corpus=params["corpus"], settings=configuration)
    jobs = training.jobs(oss, built, params=params, settings=configuration)
    names = candidate.begin(
        oss,
        loader_of,
        PaiHook().eas(),
        settings=configuration,
        corpus=params["corpus"],
        run_id=dag_run.run_id,
        against=built["release"],
        training_set=built["fingerprint"],
        embedding=jobs["embedding"].version,
        reranker=jobs["reranker"].version if "reranker" in jobs else "",
    )
    described: dict[str, Any] = {}
    for kind, job in jobs.items():
        described |= {f"{kind}_{name}": value for name, value in asdict(job).items()}
        described[f"{kind}_uri"] = f"oss://{oss.bucket_name}/{model_prefix(job.version, kind)}"
    return {"training_set": built["fingerprint"], "pairs": built["pairs"], "index": names.index, **described}


def trained(kind: Kind, collected: Any) -> PaiDlcJobOperator:
    """A training as a job of PAI-DLC."""
    return PaiDlcJobOperator(
        task_id=f"train_{kind}",
        image=settings.load().pai.training_image,
        machines={"ecs_spec": settings.load().pai.training_machine},
        command=collected[f"{kind}_command"],
        environment=collected[f"{kind}_environment"],
        data_sources=collected[f"{kind}_data_sources"],
        max_minutes=collected[f"{kind}_max_minutes"],
        poll_interval_s=2,
        execution_timeout=timedelta(hours=12),
    )


@task
def card(kind: Kind, version: str) -> dict[str, float]:
    """Read the figures of a trained model from its card."""
    from alibaba_ai.hooks.oss import OssHook
    from searchloom.embedding import model

    return model.read_card(OssHook().get_conn(), version, kind).metrics


def registered(kind: Kind, purpose: str, collected: Any) -> PaiRegisterModelOperator:
    """A model's version in PAI AIWorkSpace, with its figures on dev; `clear_up` moves it to its stage."""
    version = collected[f"{kind}_version"]
    return PaiRegisterModelOperator(
        task_id=f"register_{kind}",
        model=registered_name(kind, "{{ params.corpus }}"),
        version=version,
        uri=collected[f"{kind}_uri"],
        task=purpose,
        metrics=card.override(task_id=f"card_{kind}")(kind, version),
    )


@task
def vectors(corpus: str, *, dag_run: Any, ti: Any) -> list[int]:
    """List the texts that have no vector of the new model yet; the groups of them are mapped over."""
    from alibaba_ai.hooks.oss import OssHook
    from searchloom.embedding import model, shards
    from searchloom.orchestration import candidate

    oss = OssHook().get_conn()
    names = candidate.read(oss, corpus, dag_run.run_id)
    found = model.read_card(oss, names.embedding)
    size = settings.load().embedding.group_size
    planned = shards.plan(oss, corpus=corpus, partition=None, run_id=dag_run.run_id, model=found, group_size=size)
    ti.xcom_push("plan", {**planned, "version": found.version})
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


@task(
    map_index_template="{{ outcome | default(task.op_kwargs['engine'] | string) }}",
    trigger_rule="none_failed",  # no group: every vector is there
    execution_timeout=timedelta(hours=6),
)
def load(corpus: str, engine: EngineName, *, dag_run: Any) -> dict[str, Any]:
    """Fill the new generation of one engine."""
    from contextlib import closing

    from alibaba_ai.hooks.oss import OssHook
    from search_engines.hooks.loader import loader_of
    from searchloom.orchestration import candidate
    from searchloom_dags.steps import load_engine

    oss = OssHook().get_conn()
    names = candidate.read(oss, corpus, dag_run.run_id)
    with closing(loader_of(engine)) as loader:
        candidate.ensure_index(oss, loader, names)
    counts, get_current_context()["outcome"] = load_engine(
        oss, engine, corpus=corpus, index=names.index, version=names.embedding
    )
    return counts


@task.short_circuit(ignore_downstream_trigger_rules=False)
def wants_reranker(*, params: dict[str, Any]) -> bool:
    """Whether there is time for a reranker."""
    return bool(params["reranker_minutes"])


@task(execution_timeout=timedelta(hours=2), trigger_rule="none_failed")
def judge(corpus: str, *, dag_run: Any) -> dict[str, Any]:
    """Compare the candidate with the live release, on both engines."""
    from alibaba_ai.hooks.oss import OssHook
    from searchloom.evaluation.judge import judge as judged_by
    from searchloom.orchestration import candidate

    oss = OssHook().get_conn()
    names = candidate.read(oss, corpus, dag_run.run_id)
    return judged_by(
        oss,
        corpus=corpus,
        candidate=candidate.specification(oss, names),
        run_id=dag_run.run_id,
        settings=settings.load(),
    )


@task.branch
def decide(judged: dict[str, Any], *, params: dict[str, Any]) -> str:
    """Only what is better goes on, and past a person where the run asks for one."""
    log.info("%s: %s", judged["verdict"], judged["summary"])
    if judged["verdict"] != "better":
        return "clear_up"
    return "approve" if params["approval"] else "deploy"


@task(trigger_rule="none_failed_min_one_success")
def deploy(corpus: str, judged: dict[str, Any], *, dag_run: Any) -> dict[str, str]:
    """Put the models up as services of PAI-EAS beside those that serve; they must answer like the models."""
    from alibaba_ai.hooks.oss import OssHook
    from alibaba_ai.hooks.pai import PaiHook
    from searchloom.orchestration import candidate

    oss = OssHook().get_conn()
    names = candidate.read(oss, corpus, dag_run.run_id)
    return candidate.deploy(oss, PaiHook().eas(), names, judged=judged, settings=settings.load())


@task
def promote(corpus: str, judged: dict[str, Any], urls: dict[str, str], *, dag_run: Any) -> int:
    """Make the candidate the live release, in both engines or in none."""
    from alibaba_ai.hooks.oss import OssHook
    from search_engines.hooks.loader import loader_of
    from searchloom.orchestration import candidate

    oss = OssHook().get_conn()
    release = candidate.promote(
        oss,
        loader_of,
        candidate.read(oss, corpus, dag_run.run_id),
        judged=judged,
        urls=urls,
        settings=settings.load(),
        created_by=f"train_models {dag_run.run_id}",
    )
    return release.number


@task(trigger_rule="none_failed")
def clear_up(corpus: str, judged: dict[str, Any], *, dag_run: Any) -> dict[str, Any]:
    """Take away what nothing needs any more; say what came of the run."""
    from alibaba_ai.hooks.oss import OssHook
    from alibaba_ai.hooks.pai import PaiHook
    from search_engines.hooks.loader import loader_of
    from searchloom.orchestration import candidate

    oss = OssHook().get_conn()
    names = candidate.read(oss, corpus, dag_run.run_id)
    pai = PaiHook()
    done = candidate.clear_up(oss, loader_of, pai.eas(), names)
    candidate.stage(pai.registry(), names, judged=judged, promoted=done["promoted"])
    log.info(
        "%s: %s release %s serves.",
        judged["verdict"], "the candidate won:" if done["promoted"] else "the candidate is gone:", done["release"],
    )  # fmt: skip
    return {"verdict": judged["verdict"], "summary": judged["summary"], "report": judged["report"], **done}


@dag(
    # run_immediately: unpausing starts nothing by itself, whatever the hour
    schedule=CronTriggerTimetable("0 3 * * 0", timezone="UTC", run_immediately=timedelta()),
    catchup=False,
    max_active_runs=1,
    params={
        "corpus": Param("default", type="string", pattern=CORPUS_PATTERN, description="Which corpus"),
        "base": Param(
            "", type="string", description="Version in models/embedding/ to train from; empty: the base model"
        ),
        "embedding_minutes": Param(
            _MINUTES["embedding"], type="number", exclusiveMinimum=0, description="Time to train the embedding model"
        ),
        "reranker_minutes": Param(
            _MINUTES["reranker"], type="number", minimum=0, description="Time to train the reranker; 0: none"
        ),
        "seed": Param(20, type="integer"),
        "approval": Param(
            default=False, type="boolean", description="A person has to approve what the judge lets pass"
        ),
    },
    default_args=default_args(),
    doc_md=__doc__,
    tags=["searchloom", "models"],
)
def train_models() -> None:
    """Define the DAG."""
    corpus = "{{ params.corpus }}"
    collected = collect()
    embedding = trained("embedding", collected)
    reranker = trained("reranker", collected)
    planned = vectors(corpus)
    loaded = load.partial(corpus=corpus).expand(engine=list(ENGINES))
    judged = judge(corpus)
    approve = ApprovalOperator(
        task_id="approve",
        subject="Shall the candidate of {{ params.corpus }} serve?",
        body="{{ ti.xcom_pull('judge')['summary'] }}\n\nThe board *Releases* shows all figures.",
        execution_timeout=None,
        response_timeout=timedelta(days=7),
    )
    decided = decide(judged)
    urls = deploy(corpus, judged)
    promoted = promote(corpus, judged, urls)
    done = clear_up(corpus, judged)

    in_time = wants_reranker()
    embedding >> [planned, in_time]
    in_time >> reranker
    for kind, job, purpose in (("embedding", embedding, "text-embedding"), ("reranker", reranker, "text-ranking")):
        register = registered(kind, purpose, collected)
        job >> register.metrics.operator >> register >> done
    embed.partial(plan=planned["plan"]).expand(group=planned) >> loaded >> judged
    reranker >> judged
    decided >> [approve, urls, done]
    approve >> urls
    promoted >> done


train_models()
