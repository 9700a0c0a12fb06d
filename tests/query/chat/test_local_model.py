"""The whole way with a real language model, small as it is: the local cloud's."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from searchloom import cli
from searchloom import settings as configuration
from searchloom.settings import Settings
from tests.query.chat.process import service
from tests.query.collection import CORPUS
from tests.query.conftest import running
from tests.query.test_process import environment


@pytest.mark.slow
def test_a_real_model_answers_with_citations_that_exist(served: Settings) -> None:
    chat = served.chat.model_copy(update={"answer_tokens": 40, "first_word_ms": 200_000, "deadline_ms": 250_000})
    patient = served.bailian.model_copy(update={"read_timeout_s": 300})  # its weights may have to be unpacked first
    with running(served.model_copy(update={"chat": chat, "bailian": patient})) as client:
        body = {"message": "How do I merge two tables with a join?", "corpus": CORPUS, "stream": False}
        answer = client.post("/v1/chat", json=body).json()
    assert answer["degraded"] == []
    assert answer["answer"].strip()
    numbers = {passage["number"] for passage in answer["passages"]}
    assert {int(number) for number in re.findall(r"\[(\d+)\]", answer["answer"])} <= numbers
    assert {citation["number"] for citation in answer["citations"]} <= numbers
    assert answer["usage"]["completion_tokens"] > 0


def command(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], *words: str) -> Result:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    configuration.load.cache_clear()
    try:
        return CliRunner().invoke(cli.app, list(words))
    finally:
        configuration.load.cache_clear()


def test_the_command_line_chats_and_recommends(
    served: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with service(served, tmp_path / "query.log") as (url, _):
        given = environment(served, url)
        variables = {name: given[name] for name in given if name.startswith("SEARCHLOOM_")}
        chat = command(monkeypatch, variables, "chat", "Which volcano erupted near Reykjavik?", "--corpus", CORPUS)
        assert chat.exit_code == 0, chat.output
        assert "do not answer this question" in chat.output
        assert "conversation " in chat.output
        as_json = command(monkeypatch, variables, "chat", "volcano?", "--corpus", CORPUS, "--json")
        assert '"known": false' in as_json.output
        home = command(monkeypatch, variables, "recommend", "anna", "--corpus", CORPUS)
        assert home.exit_code == 0, home.output
        assert f"documents of {CORPUS}" in home.output
        wrong = command(monkeypatch, variables, "recommend", "anna", "--corpus", CORPUS, "--scene", "cellar")
        assert "cellar" in str(wrong.exception)
        missing = command(monkeypatch, variables, "chat", "x", "--corpus", "none")
        assert "'none'" in str(missing.exception)
