"""No secret of the stack is in what a run leaves behind: console, logs, the metadata database with XCom and rendered
templates, the objects it wrote; nor in what ``searchloom status`` prints.
"""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import yaml
from airflow.dag_processing.dagbag import DagBag
from airflow.models.xcom import XComModel
from airflow.utils.session import create_session
from pydantic import SecretStr

from searchloom.cloud.oss import Oss
from searchloom.orchestration.connections import environment
from searchloom.settings import HOME, Settings
from tests.dags.airflow_home import AIRFLOW_HOME
from tests.servers import LocalCloud, local_cloud

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("metadata_database")]

CORPUS = "secret-test"
NAMES = ("cloud", "bailian", "opensearch", "elasticsearch", "airflow", "embedding", "token")


@pytest.fixture(scope="module")
def hidden() -> dict[str, str]:
    """A secret for every service, each one easy to find."""
    return {name: f"hush-{name}-{secrets.token_hex(8)}" for name in NAMES}


@pytest.fixture(scope="module")
def cloud(hidden: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCloud]:
    with local_cloud(tmp_path_factory.mktemp("cloud"), access_key_secret=hidden["cloud"]) as running:
        yield running


def settings_of(cloud: LocalCloud, hidden: dict[str, str], **oss: object) -> Settings:
    plain = Settings()
    key = {"access_key_id": cloud.access_key_id, "access_key_secret": SecretStr(hidden["cloud"])}
    where = {"endpoint": cloud.endpoint, "bucket": "secrets"}
    engines = {
        name: plain.engine(name).model_copy(update={"username": "u", "password": SecretStr(hidden[name])})
        for name in ("opensearch", "elasticsearch")
    }
    return plain.model_copy(
        update={
            "oss": plain.oss.model_copy(update={**where, **key, **oss}),
            "acs": plain.acs.model_copy(update={"endpoint": cloud.endpoint, **key}),
            "bailian": plain.bailian.model_copy(update={"api_key": SecretStr(hidden["bailian"])}),
            **engines,
        }
    )


def run(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> str:
    """Run the DAG in this process; how it ended."""
    for name, value in environment(settings).items():
        monkeypatch.setenv(name, value)
    bag = DagBag(HOME / "dags")
    return str(bag.dags["ingest_corpus"].test(run_conf={"corpus": CORPUS}).state)


def check_nothing_shows(hidden: dict[str, str], seen: dict[str, bytes]) -> None:
    found = {
        (name, place) for name, secret in hidden.items() for place, data in seen.items() if secret.encode() in data
    }
    assert not found


def left_behind() -> dict[str, bytes]:
    """Every file of the tests' own Airflow: its logs, and the database with XCom and rendered templates."""
    return {str(path): path.read_bytes() for path in AIRFLOW_HOME.rglob("*") if path.is_file()}


def test_a_run_that_succeeds_and_one_that_is_refused_show_no_secret(
    cloud: LocalCloud,
    hidden: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    settings = settings_of(cloud, hidden)
    oss = Oss(settings.oss)
    oss.ensure_bucket()
    oss.put(f"raw/{CORPUS}/a.md", b"# A whale\n\nWhales sing.")
    # A storm on the way: what is retried is logged.
    fault = {"service": "oss", "action": "GetObject", "kind": "503", "count": 2}
    httpx.post(f"{cloud.endpoint}/_faults", json=fault).raise_for_status()
    assert run(settings, monkeypatch) == "success"
    wrong = f"hush-wrong-{secrets.token_hex(8)}"
    assert run(settings_of(cloud, hidden, access_key_secret=SecretStr(wrong)), monkeypatch) == "failed"

    console = capfd.readouterr()
    said = console.out + console.err + caplog.text
    assert "SignatureDoesNotMatch" in said
    with create_session() as session:
        assert session.query(XComModel).count() > 0
    places = {"console": said.encode(), **left_behind()}
    places |= {entry.key: oss.get(entry.key) for entry in oss.list("")}
    assert any(place.endswith("airflow.db") for place in places)
    check_nothing_shows({**hidden, "wrong": wrong}, places)


def test_status_shows_no_secret(tmp_path: Path, cloud: LocalCloud, hidden: dict[str, str]) -> None:
    endpoints = {
        "oss": {"endpoint": cloud.endpoint, "access_key_secret": hidden["cloud"]},
        "bailian": {"api_key": hidden["bailian"]},
        "opensearch": {"url": "http://127.0.0.1:9", "password": hidden["opensearch"]},
        "elasticsearch": {"url": "http://127.0.0.1:9", "password": hidden["elasticsearch"]},
        "airflow": {"password": hidden["airflow"]},
        "embedding": {"token": hidden["embedding"]},
    }
    (tmp_path / "endpoints.yaml").write_text(yaml.safe_dump(endpoints))
    program = Path(sys.executable).with_name("searchloom")
    done = subprocess.run(
        [str(program), "status", "--json"],
        env={**os.environ, "SEARCHLOOM_STATE": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert {part["name"] for part in json.loads(done.stdout)} >= {"localcloud", "opensearch"}
    check_nothing_shows(hidden, {"status": (done.stdout + done.stderr).encode()})
