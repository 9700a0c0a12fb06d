"""The operators of AIRec against the local cloud, which stores, checks and recommends."""

from __future__ import annotations

import io
import json
import secrets
from datetime import UTC, datetime
from typing import Any

import httpx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from airflow.sdk.exceptions import AirflowFailException
from hypothesis import given
from hypothesis import strategies as st

from alibaba_ai.links.airec import AirecInstanceLink
from alibaba_ai.operators.airec import AirecDeployRankingOperator, AirecImportOperator
from alibaba_ai.operators.airec_push import AirecPushOperator
from alibaba_ai.rows import rows_of
from searchloom.cloud.airec import Airec
from searchloom.cloud.oss import Oss
from searchloom.errors import ServiceUnavailable
from searchloom.settings import Settings
from tests.plugins.alibaba_ai.conftest import INSTANCE
from tests.plugins.running import Instance, Store, outcome
from tests.servers import LocalCloud


@pytest.fixture
def airec(connected: Settings) -> Airec:
    return Airec(connected.acs, connected.airec)


class ThenAway(Store):
    """Lets the request after the first note meet a service that is away."""

    def __init__(self, cloud: LocalCloud) -> None:
        super().__init__()
        self.cloud = cloud

    def set(self, key: str, value: Any) -> None:
        if not self:
            fault = {"service": "airec", "action": "PushDocument", "kind": "503", "count": 1}
            httpx.post(f"{self.cloud.endpoint}/_faults", json=fault).raise_for_status()
        self[key] = dict(value)


def items(count: int) -> list[dict[str, Any]]:
    return [{"item_id": f"i{number}", "item_type": "article", "pub_time": "1700000000"} for number in range(count)]


def lines(rows: list[dict[str, Any]]) -> bytes:
    return "\n".join(map(json.dumps, rows)).encode()


def push(key: str, **more: Any) -> AirecPushOperator:
    return AirecPushOperator(task_id="job", **{"table": "item", "key": key, "report": "refused/"} | more)


def test_rows_of_parquet_are_pushed_with_times_in_seconds_and_columns_renamed(oss: Oss, airec: Airec) -> None:
    name = secrets.token_hex(6)
    table = pa.table(
        {
            "id": [f"{name}{number}" for number in range(1500)],
            "kind": ["article"] * 1500,
            "at": [datetime(2026, 1, 1, tzinfo=UTC)] * 1500,
            "note": [None] * 1500,
        }
    )
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    oss.put("push/items.parquet", buffer.getvalue())
    task = Instance()
    columns = {"id": "item_id", "kind": "item_type", "at": "pub_time", "note": "content"}
    result = task.execute(push("push/items.parquet", columns=columns))
    assert result == {"table": "item", "pushed": 1500, "refused": 0, "report": ""}
    assert INSTANCE in task.xcoms[AirecInstanceLink.xcom_key]
    found = airec.recommend(user_id="u", count=1, items=[(f"{name}7", "article")])
    assert isinstance(found, list)


def test_refused_rows_are_in_the_bucket_with_their_reasons_and_fail_the_task_where_they_are_too_many(oss: Oss) -> None:
    wrong = {"item_id": "not-allowed", "item_type": "article"}
    oss.put("push/some.jsonl", lines([*items(3), wrong]))
    result = Instance().execute(push("push/some.jsonl", max_refused="1", report="refused/some/"))
    assert (result["pushed"], result["refused"], result["report"]) == (3, 1, "refused/some/")
    (report,) = oss.list("refused/some/")
    record = json.loads(oss.get(report.key))
    assert record["fields"] == wrong
    assert "letters and digits" in record["reason"]
    with pytest.raises(AirflowFailException, match=r"refused 1 of 4 rows .* letters and digits"):
        Instance().execute(push("push/some.jsonl"))


def test_a_retry_goes_on_after_the_last_request_that_was_answered(
    oss: Oss, cloud: LocalCloud, capfd: pytest.CaptureFixture[str]
) -> None:
    rows = [
        {
            "user_id": "u",
            "item_id": f"i{number}",
            "item_type": "article",
            "bhv_type": "click",
            "bhv_time": "1700000000",
            "trace_id": "selfhold",
        }
        for number in range(2000)
    ]
    oss.put("push/clicks.jsonl", lines(rows))
    task = Instance()
    task.context["task_state_store"] = ThenAway(cloud)
    with pytest.raises(ServiceUnavailable, match="could not answer"):
        task.execute(push("push/clicks.jsonl", table="behavior"))
    assert task.context["task_state_store"]["airec_push"]["read"] == 800
    task.again()
    assert task.execute(push("push/clicks.jsonl", table="behavior"))["pushed"] == 2000
    assert "800 rows of push/clicks.jsonl were read by an earlier try" in "".join(capfd.readouterr())
    task.again(cleared=True)
    assert task.execute(push("push/clicks.jsonl", table="behavior"))["pushed"] == 2000


@pytest.mark.parametrize(
    "wrong", [{"table": "orders"}, {"max_refused": "many"}, {"key": "push/none.jsonl"}, {"key": "push/some.csv"}]
)
def test_what_can_not_be_pushed_is_refused_without_a_retry(oss: Oss, wrong: dict[str, Any]) -> None:
    oss.put("push/some.csv", b"a,b")
    oss.put("push/good.jsonl", lines(items(1)))
    with pytest.raises(AirflowFailException):
        Instance().execute(push(**{"key": "push/good.jsonl"} | wrong))


@given(
    st.lists(st.dictionaries(st.text("abc", min_size=1), st.none() | st.integers() | st.text('aé\n"') | st.booleans()))
)
def test_every_field_is_a_string_and_nothing_is_made_up(
    tmp_path_factory: pytest.TempPathFactory, records: list[dict[str, Any]]
) -> None:
    path = tmp_path_factory.mktemp("rows") / "rows.jsonl"
    path.write_bytes(lines(records))
    rows = list(rows_of(path, columns={}, command="add"))
    assert [set(row.fields) for row in rows] == [{key for key in r if r[key] is not None} for r in records]
    assert all(isinstance(value, str) for row in rows for value in row.fields.values())


def test_an_import_serves_a_new_data_set_once_whoever_dies_and_the_former_one_can_come_back(airec: Airec) -> None:
    task = Instance()
    before = {data_set.version_id for data_set in airec.data_sets()}
    first = task.defer(AirecImportOperator(task_id="job", poll_interval_s=0.1))
    task.again()  # the worker died before it deferred
    event = outcome(task.defer(AirecImportOperator(task_id="job", poll_interval_s=0.1)))
    assert outcome(first) == event
    assert event["status"] == "success"
    (new,) = {data_set.version_id for data_set in airec.data_sets()} - before
    assert event["result"] == new
    back = AirecImportOperator(task_id="job", data_set=min(before), poll_interval_s=0.1, deferrable=False)
    assert Instance().execute(back) == min(before)
    assert {one.version_id for one in airec.data_sets() if one.state == "SERVING"} == {min(before)}


def test_a_ranking_system_is_deployed_once_its_model_can_be_reached(cloud: LocalCloud) -> None:
    name = secrets.token_hex(6)
    operator = AirecDeployRankingOperator(
        task_id="job",
        model={"rankingModelId": name, "meta": {"url": f"{cloud.endpoint}/_health"}},
        system={"name": f"{name}-system"},
        deployment={"sceneIds": ["home"]},
        poll_interval_s=0.1,
    )
    task = Instance()
    event = outcome(task.defer(operator))
    assert event["status"] == "success"
    assert operator.deploy(task.context, event) == f"{name}-system"
    task.again(cleared=True)
    assert operator.deploy(task.context, outcome(task.defer(operator))) == f"{name}-system"


def test_a_data_set_that_is_not_there_fails_for_good() -> None:
    with pytest.raises(AirflowFailException, match="v999"):
        Instance().execute(AirecImportOperator(task_id="job", data_set="v999"))
