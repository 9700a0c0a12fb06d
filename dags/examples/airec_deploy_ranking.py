"""
A ranking model of one's own behind AIRec.

Shows `AirecDeployRankingOperator`: it registers the model that answers at the parameter `url`, waits until AIRec
reaches it, and lets a ranking system serve it for a scene. Runs by hand; shown where `airflow.examples` is true.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import dag

from alibaba_ai.operators.airec import AirecDeployRankingOperator
from searchloom import settings


@dag(
    schedule=None,
    catchup=False,
    default_args={"retries": 4, "retry_delay": timedelta(seconds=5)},
    params={"url": "http://127.0.0.1:9620/health", "model": "searchloom_ranker", "scene": "searchloom"},
    tags=["example", "airec"],
    doc_md=__doc__,
)
def airec_deploy_ranking() -> None:
    """One task."""
    AirecDeployRankingOperator(
        task_id="deploy",
        model={"rankingModelId": "{{ params.model }}", "meta": {"url": "{{ params.url }}"}},
        system={"name": "{{ params.model }}_system", "meta": {"rankingModelId": "{{ params.model }}"}},
        deployment={"sceneIds": ["{{ params.scene }}"]},
        poll_interval_s=2,
        execution_timeout=timedelta(minutes=15),
    )


if settings.load().airflow.examples:
    airec_deploy_ranking()
