"""``sync_airec`` in a real Airflow: its keys are hours; of a day the last one is run."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from searchloom.cloud.airec import Airec
from searchloom.cloud.oss import Oss
from searchloom.orchestration.keys import HOUR
from searchloom.orchestration.start import Order, start
from tests.behaviour.world import World
from tests.corpus.runs import Runs
from tests.dags.live import Live

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

DAG, PATIENCE_S = "sync_airec", 300


@pytest.fixture
def world(live: Live) -> World:
    settings = live.settings
    oss = Oss(settings.oss)
    oss.ensure_bucket()
    runs = Runs(oss, f"c{secrets.token_hex(4)}", settings)
    return World(settings, oss, runs, Airec(settings.acs, settings.airec), settings.state / "localcloud")


def wanted(live: Live, world: World, run: dict[str, Any]) -> tuple[int, int]:
    """How many documents and events a run had to send, once it has ended well."""
    run_id = run["dag_run_id"]
    assert live.ended(DAG, run_id, patience_s=PATIENCE_S) == "success", live.story(DAG, run_id)
    tables = world.oss.get_json(f"reports/{world.corpus}/airec/{run_id}.json")["tables"]
    assert [table["missing"] for table in tables.values()] == [0, 0, 0]
    return tables["item"]["wanted"], tables["behavior"]["wanted"]


def test_an_hour_takes_what_was_written_before_its_end_and_days_are_run_one_by_one(live: Live, world: World) -> None:
    (document,) = world.documents(1)
    now = datetime.now(UTC)
    world.log(world.event(document, moment=now - timedelta(minutes=1)))
    live.unpause(DAG)
    hour = (now - timedelta(hours=1)).strftime(HOUR)
    hourly = live.api.trigger(DAG, conf={"corpus": world.corpus}, partition_key=hour)
    assert wanted(live, world, hourly) == (1, 0)
    days = now.date() - timedelta(days=1), now.date()
    runs = start(live.api, Order(DAG, world.corpus, days=days))
    assert [run["partition_key"] for run in runs] == [f"{day.isoformat()}T23" for day in days]
    assert [wanted(live, world, run) for run in runs] == [(0, 0), (0, 1)]
