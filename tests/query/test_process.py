"""The service as a process: what it imports, that it serves, that it stops."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import typer
from click.testing import Result
from typer.testing import CliRunner

from searchloom.errors import ServiceRefused, ServiceUnavailable, UsageError
from searchloom.query import commands, tokens
from searchloom.query.audit import Pseudonyms
from searchloom.query.auth import Authenticator
from searchloom.query.client import SearchClient
from searchloom.settings import Settings
from tests.query.collection import CORPUS
from tests.query.conftest import ROOT, wait_for
from tests.servers import free_port

LATER = (  # what takes long to import, and is needed never or not before the first request
    *("airflow", "elastic_transport", "elasticsearch", "numpy", "opensearchpy", "opentelemetry.sdk", "oss2", "pandas"),
    *("pyarrow", "requests", "scipy", "sentence_transformers", "sklearn", "tokenizers", "torch", "transformers"),
)


@contextmanager
def query_service(settings: Settings, log: Path, **variables: str) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """``python -m searchloom.query`` with these settings; ``variables`` without their prefix SEARCHLOOM_."""
    url = f"http://127.0.0.1:{free_port()}"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "searchloom.query"],
            cwd=ROOT,
            env=environment(settings, url) | {f"SEARCHLOOM_{name}": value for name, value in variables.items()},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        wait_for(lambda: bool(httpx.get(f"{url}/readyz", timeout=5.0).json()["releases"]), process)
        yield url, process
    finally:
        process.kill()
        process.wait()


def environment(settings: Settings, url: str) -> dict[str, str]:
    """The settings as the environment gives them."""
    given = {
        "STATE": str(settings.state),
        "OSS__ENDPOINT": settings.oss.endpoint,
        "OSS__ACCESS_KEY_ID": settings.oss.access_key_id,
        "OSS__ACCESS_KEY_SECRET": settings.oss.access_key_secret.get_secret_value(),
        "OPENSEARCH__URL": settings.opensearch.url,
        "ELASTICSEARCH__URL": settings.elasticsearch.url,
        "EMBEDDING__URL": settings.embedding.url,
        "EMBEDDING__TOKEN": settings.embedding.token.get_secret_value(),
        "QUERY__URL": url,
        "QUERY__PSEUDONYM_KEY": settings.query.pseudonym_key.get_secret_value(),
    }
    return os.environ | {f"SEARCHLOOM_{name}": value for name, value in given.items()}


@pytest.fixture(scope="module")
def service(served: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    log = tmp_path_factory.mktemp("log") / "query.log"
    with query_service(served, log) as (url, _):
        yield url, log


def test_the_service_is_built_without_what_takes_long_to_import(served: Settings) -> None:
    program = (
        "import sys; from searchloom import settings; from searchloom.query import __main__ as program;"
        f"program.create_app(settings.load()); print([name for name in {LATER!r} if name in sys.modules])"
    )
    found = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
        env=environment(served, "http://127.0.0.1:9"),
    )
    assert found.stdout.strip() == "[]"


def test_it_is_one_process_that_stops_at_sigterm(served: Settings, tmp_path: Path) -> None:
    with query_service(served, tmp_path / "query.log") as (url, process):
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        if children.exists():
            assert children.read_text() == ""
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == 0
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"{url}/healthz")


def test_the_client_searches_over_one_connection(served: Settings, service: tuple[str, Path]) -> None:
    url, log = service
    with SearchClient(url, tokens.sign(served, user="ann")) as client:
        for mode in ("bm25", "vector", "hybrid"):
            answer = client.search("merge two tables", corpus=CORPUS, mode=mode, k=3, explain=True)
            assert answer["results"][0]["title"] == "DataFrame.merge"
        assert CORPUS in {entry["corpus"] for entry in client.corpora()}

    def paths() -> list[str]:
        lines = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
        ann = Pseudonyms(served.query.pseudonym_key).of("default", "ann")
        return [line["path"] for line in lines if line.get("user") == ann and "path" in line]

    wait_for(lambda: "/v1/corpora" in paths())  # a line is written after its answer has been sent
    assert paths() == ["/v1/search"] * 3 + ["/v1/corpora"]


def test_the_clients_errors_are_sentences(served: Settings, service: tuple[str, Path]) -> None:
    url, _ = service
    with SearchClient(url, tokens.sign(served, user="ann")) as client:
        with pytest.raises(UsageError, match="there is no corpus 'nowhere'"):
            client.search("x", corpus="nowhere")
        with pytest.raises(UsageError, match="k: "):
            client.search("x", k=1000)
    with SearchClient(url, "no.token.atall") as stranger, pytest.raises(ServiceRefused, match="token"):
        stranger.search("x")
    nobody = SearchClient(f"http://127.0.0.1:{free_port()}", "x")
    with pytest.raises(ServiceUnavailable, match="searchloom up"):
        nobody.search("x")


@pytest.fixture
def run(served: Settings, service: tuple[str, Path], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """The two commands, in the profile of the served collection."""
    own = served.model_copy(update={"query": served.query.model_copy(update={"url": service[0]})})
    monkeypatch.setattr("searchloom.settings.load", lambda: own)
    app = typer.Typer()
    app.command()(commands.search)
    app.command()(commands.token)
    return lambda *words: CliRunner().invoke(app, [*words], env={"COLUMNS": "120"})


def test_the_search_command_shows_title_passage_and_why(run: Callable[..., Result]) -> None:
    shown = run("search", "merge two tables", "--corpus", CORPUS, "--explain", "--k", "2")
    assert shown.exit_code == 0, shown.output
    assert "1. DataFrame.merge" in shown.output
    assert "Merge two tables with a database-style join" in shown.output
    assert "<em>" not in shown.output
    assert "bm25 #1" in shown.output
    assert f"2 documents of {CORPUS}, release 1, hybrid on opensearch" in shown.output


def test_a_document_without_a_title_is_shown_by_its_own_id(run: Callable[..., Result]) -> None:
    shown = run("search", "note", "--corpus", CORPUS, "--tenant", "untitled")
    assert "1. note.md" in shown.output, shown.output


def test_the_search_command_prints_json(run: Callable[..., Result]) -> None:
    words = ("--corpus", CORPUS, "--engine", "elasticsearch", "--mode", "bm25", "--group", "finance", "--json")
    answer = json.loads(run("search", "salary", *words).output)
    assert [result["source_id"] for result in answer["results"]] == ["plan.md"]
    assert answer["engine"] == "elasticsearch"
    mine = json.loads(run("search", "people", "--tenant", "acme", "--group", "hr", *words[:2], "--json").output)
    assert {result["source_id"] for result in mine["results"]} == {"acme.md", "acme-hr.md"}


@pytest.mark.parametrize(
    "words", [("",), ("x", "--k", "0"), ("x", "--mode", "magic"), ("x", "--engine", "solr"), ("x", "--corpus", "none")]
)
def test_a_wrong_call_is_a_usage_error(run: Callable[..., Result], words: tuple[str, ...]) -> None:
    assert isinstance(run("search", *words).exception, UsageError)


def test_the_token_command_prints_a_token_that_holds(run: Callable[..., Result], served: Settings) -> None:
    token = run("token", "--user", "ann", "--tenant", "acme", "--group", "hr", "--group", "legal").output.strip()
    caller = Authenticator(served.query, str(tokens.ensure_keys(served.state))).check(token)
    assert (caller.user, caller.access.tenant, caller.access.groups) == ("ann", "acme", ("hr", "legal"))
