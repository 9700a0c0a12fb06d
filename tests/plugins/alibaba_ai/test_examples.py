"""Each example DAG by ``dag.test()`` against the local cloud, as a reader would try it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from importlib import import_module
from threading import Timer

import httpx
import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk import DAG

import alibaba_ai
from alibaba_ai.links.airec import AirecInstanceLink
from alibaba_ai.links.bailian import BailianDeploymentLink, BailianFineTuneLink, BailianIndexLink
from alibaba_ai.links.pai import PaiDlcJobLink, PaiEasServiceLink, PaiModelLink
from searchloom import settings
from searchloom.cloud.airec import Airec
from searchloom.cloud.bailian import Bailian
from searchloom.cloud.oss import Oss
from searchloom.cloud.pai_dlc import PaiDlc
from searchloom.cloud.pai_eas import PaiEas
from searchloom.cloud.pai_registry import PaiRegistry
from searchloom.settings import HOME, Acs, Settings
from tests.plugins.alibaba_ai.conftest import INSTANCE, WORKSPACE
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


def example(name: str) -> DAG:
    return DagBag(HOME / "dags" / "examples").dags[name]


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
    dag = example("pai_dlc_job")
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
    dag = example("pai_eas_deploy")
    run = dag.test(run_conf={"colour": "green"})
    task = run.get_task_instance("deploy")
    eas = PaiEas(acs, workspace_id=WORKSPACE)
    service = eas.describe(name="searchloom_example")
    assert (run.state, task.xcom_pull("deploy")) == ("success", service.url)
    assert httpx.get(service.url, headers={"Authorization": service.token}).text.strip() == "green"
    assert service.name in task.xcom_pull("deploy", key=PaiEasServiceLink.xcom_key)
    eas.delete(name=service.name)


OPERATORS = {path.stem for path in (HOME / "dags" / "examples").glob("*.py")}


@pytest.mark.usefixtures("shown")
def test_every_operator_and_sensor_has_an_example_that_says_what_it_shows() -> None:
    bag = DagBag(HOME / "dags" / "examples")
    assert bag.import_errors == {}
    assert set(bag.dags) == OPERATORS
    used = {task.task_type for dag in bag.dags.values() for task in dag.tasks}
    assert used >= {name for name in public_operators() if name.endswith(("Operator", "Sensor"))}
    for dag in bag.dags.values():
        assert len(dag.doc_md) > 60
        assert all(task.retries >= 2 for task in dag.tasks)


def public_operators() -> set[str]:
    info = alibaba_ai.get_provider_info()
    modules = [name for kind in ("operators", "sensors") for entry in info[kind] for name in entry["python-modules"]]
    return {
        name
        for module in map(import_module, modules)
        for name, value in vars(module).items()
        if not name.startswith("_") and getattr(value, "__module__", "") == module.__name__
    }


@pytest.mark.usefixtures("shown")
def test_airec_push_sends_the_rows_and_reports_the_refused_one(oss: Oss) -> None:
    run = example("airec_push").test(run_conf={"items": 5})
    task = run.get_task_instance("push")
    result = task.xcom_pull("push")
    assert (run.state, result["pushed"], result["refused"]) == ("success", 5, 1)
    (report,) = oss.list(result["report"])
    assert b"sculpture" in oss.get(report.key)
    assert INSTANCE in task.xcom_pull("push", key=AirecInstanceLink.xcom_key)


@pytest.mark.usefixtures("shown")
def test_airec_import_serves_new_data_and_the_former_again(connected: Settings) -> None:
    run = example("airec_import").test()
    task = run.get_task_instance("go_back")
    assert run.state == "success"
    assert task.xcom_pull("import_pushed") != task.xcom_pull("go_back") == "v1"
    serving = [one.version_id for one in Airec(connected.acs, connected.airec).data_sets() if one.state == "SERVING"]
    assert serving == ["v1"]


@pytest.mark.usefixtures("shown")
def test_airec_deploy_ranking_lets_the_system_serve(cloud: LocalCloud) -> None:
    run = example("airec_deploy_ranking").test(run_conf={"url": f"{cloud.endpoint}/_health"})
    assert run.state == "success"
    assert run.get_task_instance("deploy").xcom_pull("deploy") == "searchloom_ranker_system"


@pytest.mark.usefixtures("shown")
def test_pai_register_model_ends_with_an_approved_version(acs: Acs) -> None:
    run = example("pai_register_model").test(run_conf={"version": "2.0.0"})
    task = run.get_task_instance("approve")
    result = task.xcom_pull("approve")
    version = PaiRegistry(acs, workspace_id=WORKSPACE).get_version(model_id=result["model_id"], version="2.0.0")
    assert (run.state, version.approval) == ("success", "Approved")
    assert result["model_id"] in task.xcom_pull("approve", key=PaiModelLink.xcom_key)


@pytest.mark.slow
@pytest.mark.usefixtures("shown")
def test_pai_eas_blue_green_goes_through_the_life_of_two_services(acs: Acs) -> None:
    run = example("pai_eas_blue_green").test()
    assert run.state == "success"
    assert run.get_task_instance("blue_takes_most").xcom_pull("green_takes_some") == 25
    eas = PaiEas(acs, workspace_id=WORKSPACE)
    assert [service.name for service in eas.list(name_contains="searchloom_colours")] == []


@pytest.mark.usefixtures("shown")
def test_pai_dlc_sensor_waits_for_the_job_and_shows_its_log(capfd: pytest.CaptureFixture[str]) -> None:
    run = example("pai_dlc_sensor").test()
    assert run.state == "success"
    assert "second 3" in "".join(capfd.readouterr())


@pytest.mark.usefixtures("shown")
def test_oss_sensors_see_what_is_written_meanwhile(oss: Oss) -> None:
    folder = "examples/oss_sensors/meanwhile/"
    # dag.test() runs one task after the other, so that somebody else must write while the sensors wait.
    writers = [Timer(3, oss.put, (f"{folder}{name}", b"")) for name in ("part-a.txt", "part-b.txt", "_SUCCESS")]
    for writer in writers:
        writer.start()
    run = example("oss_sensors").test(run_conf={"parts": 2, "folder": "meanwhile"})
    assert run.state == "success"
    task = run.get_task_instance("marker")
    assert (task.xcom_pull("marker"), task.xcom_pull("parts")) == (f"{folder}_SUCCESS", f"{folder}part-")


@pytest.mark.slow
@pytest.mark.usefixtures("shown", "oss")
def test_bailian_fine_tune_makes_a_model_and_shows_its_log(capfd: pytest.CaptureFixture[str]) -> None:
    run = example("bailian_fine_tune").test(run_conf={"conversations": 4, "epochs": 1})
    task = run.get_task_instance("fine_tune")
    assert run.state == "success"
    job_id = task.xcom_pull("fine_tune", key="job_id")
    assert job_id in task.xcom_pull("fine_tune", key=BailianFineTuneLink.xcom_key)
    said = "".join(capfd.readouterr())
    assert f"[{job_id}]" in said
    assert task.xcom_pull("fine_tune") in said


@pytest.mark.slow
@pytest.mark.usefixtures("shown")
def test_bailian_deploy_ends_with_a_model_that_answers(connected: Settings) -> None:
    run = example("bailian_deploy").test()
    task = run.get_task_instance("deploy")
    name = task.xcom_pull("deploy")
    assert run.state == "success"
    assert task.xcom_pull("ask")
    assert name in task.xcom_pull("deploy", key=BailianDeploymentLink.xcom_key)
    bailian = Bailian(connected.bailian)
    bailian.delete_deployment(name=name)
    bailian.close()


@pytest.mark.slow
@pytest.mark.usefixtures("shown", "oss")
def test_bailian_index_finds_the_text_that_answers() -> None:
    run = example("bailian_index").test()
    task = run.get_task_instance("index")
    assert run.state == "success"
    assert "Whales" in task.xcom_pull("retrieve")
    assert task.xcom_pull("index") in task.xcom_pull("index", key=BailianIndexLink.xcom_key)
