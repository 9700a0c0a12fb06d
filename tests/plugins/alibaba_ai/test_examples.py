"""Each example DAG by ``dag.test()`` against the local cloud, as a reader would try it."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import httpx
import pytest
from airflow.dag_processing.dagbag import DagBag
from pydantic import SecretStr

from alibaba_ai.links.pai import PaiDlcJobLink, PaiEasServiceLink
from searchloom import settings
from searchloom.cloud.oss import Oss
from searchloom.cloud.pai_dlc import PaiDlc
from searchloom.cloud.pai_eas import PaiEas
from searchloom.settings import HOME, Acs
from searchloom.settings import Oss as OssSettings
from tests.plugins.alibaba_ai.conftest import BUCKET, WORKSPACE
from tests.servers import LocalCloud

pytestmark = pytest.mark.usefixtures("metadata_database")


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The setting that shows the examples."""
    monkeypatch.setenv("SEARCHLOOM_AIRFLOW__EXAMPLES", "true")
    settings.load.cache_clear()
    yield
    monkeypatch.undo()
    settings.load.cache_clear()


@pytest.fixture
def oss(cloud: LocalCloud) -> Oss:
    keys = {"access_key_id": cloud.access_key_id, "access_key_secret": SecretStr(cloud.access_key_secret)}
    bucket = Oss(OssSettings(endpoint=cloud.endpoint, bucket=BUCKET, **keys))
    bucket.ensure_bucket()
    return bucket


def test_examples_are_hidden_unless_the_setting_shows_them() -> None:
    bag = DagBag(HOME / "dags" / "examples")
    assert (bag.import_errors, bag.dags) == ({}, {})


@pytest.mark.usefixtures("shown")
def test_the_pai_dlc_job_writes_its_file_and_shows_link_log_and_result_but_no_secret(
    oss: Oss,
    dlc: PaiDlc,
    cloud: LocalCloud,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    dag = DagBag(HOME / "dags").dags["pai_dlc_job"]
    with caplog.at_level(logging.INFO):
        run = dag.test(run_conf={"words": "whales sing", "seconds": 2})
    assert run.state == "success"
    assert oss.get("examples/pai_dlc_job/words.txt") == b"whales sing\n"
    (job,) = dlc.list(name="pai_dlc_job.job-try")
    task = run.get_task_instance("job")
    assert task.xcom_pull("job") == job.job_id
    link = task.xcom_pull("job", key=PaiDlcJobLink.xcom_key)
    assert job.job_id in link
    assert WORKSPACE in link
    said = caplog.text + "".join(capfd.readouterr())
    for words in (f"Job {job.job_id} is Running", "second 1", "second 2", "whales sing"):
        assert words in said
    assert cloud.access_key_secret not in said


@pytest.mark.usefixtures("shown")
def test_the_pai_eas_deploy_ends_with_a_service_that_answers(acs: Acs) -> None:
    dag = DagBag(HOME / "dags").dags["pai_eas_deploy"]
    run = dag.test(run_conf={"colour": "green"})
    task = run.get_task_instance("deploy")
    eas = PaiEas(acs, workspace_id=WORKSPACE)
    service = eas.describe(name="searchloom_example")
    assert (run.state, task.xcom_pull("deploy")) == ("success", service.url)
    assert httpx.get(service.url, headers={"Authorization": service.token}).text.strip() == "green"
    assert service.name in task.xcom_pull("deploy", key=PaiEasServiceLink.xcom_key)
    eas.delete(name=service.name)
