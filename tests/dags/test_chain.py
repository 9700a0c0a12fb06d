"""All DAGs on a real scheduler: partitions carry through them, a range of days is backfilled, nothing is done twice."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from searchloom.cloud.oss import Oss
from searchloom.engines.connect import loader
from searchloom.release.document import index_name
from searchloom.settings import ENGINES, Settings
from searchloom.stack import lifecycle

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800), pytest.mark.usefixtures("stack")]

CORPUS = f"chain-{uuid.uuid4().hex[:6]}"


@pytest.fixture(scope="module")
def stack(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A local stack (Airflow and OSS) on the engines of the test session; the environment says where it is."""
    state = tmp_path_factory.mktemp("stack")
    variables = {"SEARCHLOOM_STATE": str(state), "SEARCHLOOM_AIRFLOW__RETRY_DELAY_S": "1"}
    variables |= {f"SEARCHLOOM_{name.upper()}__URL": settings.engine(name).url for name in ENGINES}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        try:
            lifecycle.up(
                Settings(), without=frozenset({"engines", "embedding", "query"}), say=lambda _part, _what: None
            )
            yield
        finally:
            lifecycle.down(Settings(), say=lambda _part, _what: None)
    for name in ENGINES:
        engine = loader(settings, name)
        engine.drop(index_name(CORPUS, 1))
        engine.close()


@pytest.fixture(scope="module")
def oss(stack: None) -> Oss:  # noqa: ARG001  the stack writes down where OSS is
    bucket = Oss(Settings().oss)
    bucket.ensure_bucket()
    return bucket


def call(*arguments: str, status: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "searchloom.cli", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == status, (
        f"{arguments}: exit {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-6000:]}"
    )
    return done


def run(*arguments: str) -> dict[str, Any]:
    done = call("run", "ingest_corpus", "--corpus", CORPUS, "--json", *arguments)
    summary: dict[str, Any] = json.loads(done.stdout)
    return summary


def today() -> str:
    return datetime.now(UTC).date().isoformat()


def test_a_run_carries_its_corpus_and_day_through_all_three_dags(oss: Oss) -> None:
    for number in range(4):
        oss.put(f"raw/{CORPUS}/{number}.md", f"# Lighthouse {number}\n\nIts keeper number {number}.".encode())
    done = run()
    assert [(r["dag"], r["partition"], r["state"]) for r in done["runs"]] == [
        ("ingest_corpus", "", "success"),
        ("embed_corpus", f"{CORPUS}|{today()}", "success"),
        ("load_search", f"{CORPUS}|{today()}", "success"),
    ]
    assert (done["documents"]["new"], done["chunks"], done["vectors"]["embedded"]) == (4, 4, 4)
    assert {name: counts["written"] for name, counts in done["engines"].items()} == dict.fromkeys(ENGINES, 4)


def test_a_second_run_parses_embeds_and_writes_nothing() -> None:
    done = run()
    assert [run["dag"] for run in done["runs"]] == ["ingest_corpus"]
    assert done["documents"] == {"new": 0, "changed": 0, "unchanged": 4, "removed": 0, "quarantined": 0}


def test_a_backfill_takes_each_day_and_brings_what_changed_to_both_engines(oss: Oss, settings: Settings) -> None:
    oss.put(f"raw/{CORPUS}/0.md", b"# Lighthouse 0\n\nIts keeper is new.")
    oss.delete(f"raw/{CORPUS}/1.md")
    first = (datetime.now(UTC) - timedelta(days=1)).date().isoformat()
    done = run("--from", first, "--to", today())
    days = [run["partition"] for run in done["runs"] if run["dag"] == "ingest_corpus"]
    assert days == [first, today()]
    assert (done["documents"]["changed"], done["documents"]["removed"]) == (1, 1)
    for name in ENGINES:
        engine = loader(settings, name)
        assert engine.count(index_name(CORPUS, 1)) == 3
        engine.close()


def test_a_failing_run_ends_with_its_log_and_exit_1() -> None:
    done = call("run", "ingest_corpus", "--corpus", "not-there", status=1)
    assert "there is nothing in oss://searchloom/raw/not-there/" in done.stderr
    assert "docs/runbook.md#ingest_corpus" in done.stderr


def _listen_to_ctrl_c() -> None:
    """A shell that runs the tests in the background has its children ignore Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_ctrl_c_stops_the_following_and_not_the_run() -> None:
    command = [sys.executable, "-m", "searchloom.cli", "run", "ingest_corpus", "--corpus", CORPUS]
    following = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, preexec_fn=_listen_to_ctrl_c)  # noqa: PLW1509
    assert following.stdout
    first_line = following.stdout.readline()
    following.send_signal(signal.SIGINT)
    rest, _ = following.communicate(timeout=60)
    assert first_line.startswith("ingest_corpus")
    assert following.returncode == 130
    assert "the run goes on: http" in rest


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["no_such_dag"], "ingest_corpus"),
        (["ingest_corpus", "--partition", "yesterday"], "yesterday"),
        (["embed_corpus", "--conf", '{"corpus": 7}'], "corpus"),
    ],
)
def test_a_wrong_call_is_one_sentence_and_exit_2(arguments: list[str], named: str) -> None:
    done = call("run", *arguments, status=2)
    assert named in done.stderr
    assert "Traceback" not in done.stderr
