"""The operators over the two real engines, and the buttons that test their connections."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.models import Connection
from airflow.sdk.exceptions import AirflowFailException

from search_engines.hooks.loader import loader_by, loader_of
from search_engines.operators.generation import AliasOperator, BulkLoadOperator, IndexOperator
from searchloom import settings as settings_module
from searchloom.cloud.oss import Oss
from searchloom.errors import UsageError
from searchloom.settings import ENGINES, HOME, EngineName
from tests.engines.chunks import DIMS
from tests.engines.small_corpus import MODEL, SmallCorpus
from tests.plugins.running import Instance


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> EngineName:
    name: EngineName = request.param
    return name


@pytest.fixture
def index() -> Iterator[str]:
    """Name of an index, deleted in both engines after the test."""
    name = f"hc-{secrets.token_hex(6)}"
    yield name
    for engine in ENGINES:
        with closing(loader_of(engine)) as loader:
            loader.drop(name)


def done(operator: Any) -> Any:
    return Instance().execute(operator)


def create(engine: EngineName, index: str, **more: Any) -> IndexOperator:
    given = {"corpus": "tests", "embedding_version": MODEL, "dims": str(DIMS)} | more
    return IndexOperator(task_id="job", index=index, engine_conn_id=f"{engine}_default", **given)


def load(engine: EngineName, index: str, **more: Any) -> BulkLoadOperator:
    return BulkLoadOperator(task_id="job", index=index, engine_conn_id=f"{engine}_default", **more)


def swap(engine: EngineName, index: str, alias: str) -> AliasOperator:
    return AliasOperator(task_id="job", index=index, alias=alias, engine_conn_id=f"{engine}_default")


def test_an_index_is_created_loaded_verified_and_served_and_all_of_it_may_run_again(
    oss: Oss, engine: EngineName, index: str
) -> None:
    SmallCorpus(oss).commit(a=2, b=1)
    alias = f"{index}-alias"
    for written, before in ((3, ""), (0, index)):
        assert done(create(engine, index)) == index
        report = done(load(engine, index))
        assert (report["written"], report["refused"], report["verified"]["chunks"]) == (written, 0, 3)
        assert done(swap(engine, index, alias)) == before
    with closing(loader_of(engine)) as loader:
        assert (loader.count(index), loader.alias_target(alias)) == (3, index)


def test_chunks_that_the_engine_refuses_fail_the_task_unless_so_many_are_allowed(
    oss: Oss, engine: EngineName, index: str
) -> None:
    corpus = SmallCorpus(oss)
    corpus.commit(a=1, b={"key": "x" * 40_000})  # longer than a keyword may be
    done(create(engine, index))
    with pytest.raises(AirflowFailException, match=r"refused 1 chunks .* says why"):
        done(load(engine, index))
    corpus.commit(c={"key": "x" * 40_000})
    assert done(load(engine, index, max_refused="1"))["refused"] == 1


def test_what_can_not_be_done_is_refused_without_a_retry(oss: Oss, engine: EngineName, index: str) -> None:
    assert oss.bucket_name
    with pytest.raises(AirflowFailException, match="create it with IndexOperator"):
        done(load(engine, index))
    with pytest.raises(AirflowFailException, match="create it with IndexOperator"):
        done(swap(engine, index, f"{index}-alias"))
    with pytest.raises(AirflowFailException, match="dims of task 'job' is 'many'"):
        done(create(engine, index, dims="many"))
    done(create(engine, index))
    with pytest.raises(AirflowFailException, match="holds corpus"):
        done(create(engine, index, corpus="others"))


def pressed(name: str) -> tuple[bool, str]:
    connection = Connection.get_connection_from_secrets(name)  # noqa: AIR311  the UI's button takes this one
    return connection.test_connection()  # type: ignore[no-any-return]


def test_the_buttons_of_both_engines_say_what_answers_or_what_is_wrong(
    engine: EngineName, monkeypatch: pytest.MonkeyPatch
) -> None:
    works, sentence = pressed(f"{engine}_default")
    assert works, sentence
    assert sentence.startswith(f"{engine} at 127.0.0.1:")
    away = {"conn_type": f"searchloom_{engine}", "host": "127.0.0.1", "port": 9, "schema": "http", "password": "p-w"}
    monkeypatch.setenv("AIRFLOW_CONN_AWAY", json.dumps(away))
    works, sentence = pressed("away")
    assert not works
    assert "127.0.0.1:9" in sentence
    assert "p-w" not in sentence


def test_the_type_of_a_connection_says_which_engine_it_is(engine: EngineName, monkeypatch: pytest.MonkeyPatch) -> None:
    for kind in (engine, f"searchloom_{engine}"):
        monkeypatch.setenv("AIRFLOW_CONN_E", json.dumps({"conn_type": kind, "host": "127.0.0.1", "schema": "http"}))
        with closing(loader_by("e")) as loader:
            assert loader.name == engine
    monkeypatch.setenv("AIRFLOW_CONN_E", json.dumps({"conn_type": "http", "host": "127.0.0.1"}))
    with pytest.raises(UsageError, match="'e' is of type 'http'"):
        loader_by("e")


@pytest.fixture
def shown() -> Iterator[None]:
    """The setting that shows the examples."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEARCHLOOM_AIRFLOW__EXAMPLES", "true")
        settings_module.load.cache_clear()
        yield
    settings_module.load.cache_clear()


@pytest.mark.usefixtures("metadata_database", "shown")
def test_the_example_makes_a_generation_in_each_engine(oss: Oss, index: str) -> None:
    SmallCorpus(oss).commit(a=2)
    dag = DagBag(HOME / "dags" / "examples").dags["engine_generation"]
    run = dag.test(run_conf={"corpus": "tests", "embedding_version": MODEL, "dims": DIMS, "index": index})
    assert run.state == "success"
    for engine in ENGINES:
        with closing(loader_of(engine)) as loader:
            assert loader.alias_target(f"{index}_alias") == index
