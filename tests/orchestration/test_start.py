from __future__ import annotations

from datetime import date

import pytest

from searchloom.errors import UsageError
from searchloom.orchestration.start import Order, _is_hourly, set_off_by_task


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"corpus": "No Spaces"}, "'No Spaces'"),
        ({"corpus": "docs", "days": (date(2026, 11, 2), date(2026, 11, 1))}, "2026-11-02"),
        ({"corpus": "docs", "days": (date(2026, 11, 2), date(9999, 1, 1))}, "9999-01-01"),
        ({"corpus": "docs", "partition": "2026-11-02", "days": (date(2026, 11, 2), date(2026, 11, 2))}, "--partition"),
    ],
)
def test_a_wrong_call_is_refused_before_airflow_is_asked_and_names_the_value(
    arguments: dict[str, object], named: str
) -> None:
    with pytest.raises(UsageError, match=named):
        Order("ingest_corpus", **arguments)  # type: ignore[arg-type]


def test_the_conf_of_a_run_names_the_corpus_and_keeps_what_the_caller_added() -> None:
    order = Order("ingest_corpus", "docs", conf={"reprocess": True})
    assert order.full_conf == {"corpus": "docs", "reprocess": True}


@pytest.mark.parametrize(
    ("schedule", "hourly"),
    [("20 * * * *", True), ("0 1 * * *", False), ("Partitioned Asset", False), (None, False)],
)
def test_a_dag_that_runs_every_hour_is_told_by_its_schedule(schedule: str | None, hourly: bool) -> None:
    assert _is_hourly({"timetable_summary": schedule}) == hourly


def test_an_asset_leads_from_the_task_that_produces_it_to_the_dags_that_wait_for_it() -> None:
    assets = [
        {"producing_tasks": [{"dag_id": "a", "task_id": "t"}], "scheduled_dags": [{"dag_id": "b"}, {"dag_id": "c"}]},
        {"producing_tasks": [{"dag_id": "b", "task_id": "u"}], "scheduled_dags": []},
    ]
    assert set_off_by_task(assets) == {("a", "t"): {"b", "c"}, ("b", "u"): set()}
