from __future__ import annotations

import logging
from types import SimpleNamespace

import pytest
from airflow.sdk import RetryAction

from searchloom.errors import Conflict, NotFound, ServiceUnavailable, Terminal, Transient, UsageError
from searchloom_dags.oncall import default_args, log_group, say_what_failed


@pytest.mark.parametrize("error", [Terminal("x"), NotFound("x"), Conflict("x"), UsageError("x")])
def test_an_error_that_a_retry_cannot_cure_fails_the_task_at_once(error: Exception) -> None:
    assert default_args()["retry_policy"].evaluate(error, 1, 4).action is RetryAction.FAIL


@pytest.mark.parametrize("error", [Transient("x"), ServiceUnavailable("x"), OSError("x")])
def test_any_other_error_is_retried(error: Exception) -> None:
    assert default_args()["retry_policy"].evaluate(error, 1, 4).action is not RetryAction.FAIL


def test_a_failed_task_ends_its_log_with_what_failed_and_what_to_do(caplog: pytest.LogCaptureFixture) -> None:
    task = SimpleNamespace(dag_id="ingest_corpus", task_id="parse", map_index=3, try_number=2)
    say_what_failed({"ti": task, "exception": NotFound("there is no raw/x.")})
    (line,) = caplog.messages
    assert line.startswith("ingest_corpus.parse[3] failed on try 2: there is no raw/x. What to do: ")
    assert "docs/runbook.md#ingest_corpus" in line


def test_a_log_group_is_closed_even_when_what_is_inside_fails(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with pytest.raises(NotFound), log_group("Compare"):
        raise NotFound("x")
    assert caplog.messages == ["::group::Compare", "::endgroup::"]
