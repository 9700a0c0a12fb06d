"""The model that AIRec trains from its behaviour table: used when it is there, kept, and never in the way."""

from __future__ import annotations

import secrets
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from alibabacloud_airec20201126.client import Client
from pydantic import SecretStr

from localcloud.airec.content import vector_of
from searchloom.cloud.airec import VERSION, Airec
from searchloom.cloud.airec_rows import Recommendation, Row
from searchloom.settings import Acs
from searchloom.settings import Airec as AirecSettings
from tests.localcloud.acs_clients import call, config, wait_for
from tests.servers import LocalCloud, local_cloud

TASTES = ("tea", "car", "sea", "ink")
NOW = int(time.time())
DAY = 86_400


def airec_of(cloud: LocalCloud, instance: str) -> Airec:
    secret = SecretStr(cloud.access_key_secret)
    acs = Acs(endpoint=cloud.endpoint, access_key_id=cloud.access_key_id, access_key_secret=secret)
    return Airec(acs, AirecSettings(instance_id=instance, scene_id="home"))


def state(cloud: LocalCloud, instance: str) -> dict[str, Any]:
    path = f"/v2/openapi/instances/{instance}"
    return dict(call(config(cloud), VERSION, "DescribeInstance", "GET", path)["result"]["model"])


def items(count: int, days_old: int = 100, first: int = 0) -> list[Row]:
    return [
        Row({
            "item_id": f"i{n}", "item_type": "article", "title": f"{TASTES[n % 4]} {n}", "tags": TASTES[n % 4],
            "category_path": TASTES[n % 4], "pub_time": str(NOW - days_old * DAY),
        })
        for n in range(first, first + count)
    ]  # fmt: skip


def behaviors(users: int, each: int, count: int) -> list[Row]:
    generator = np.random.default_rng(2)
    rows = []
    for user in range(users):
        own = np.where(np.arange(count) % 4 == user % 4, 0.85, 0.05)
        for step, item in enumerate(generator.choice(count, each, replace=False, p=own / own.sum()).tolist()):
            kind = "like" if item % 4 == user % 4 else "click"
            rows.append(Row({
                "user_id": f"u{user}", "item_id": f"i{item}", "item_type": "article", "bhv_type": kind,
                "bhv_time": str(NOW - 20 * DAY + step * 3600), "trace_id": "selfhold",
            }))  # fmt: skip
    return rows


def push(airec: Airec, table: Any, rows: list[Row]) -> None:
    assert all(outcome.ok for outcome in airec.push(table, rows))


def taste(found: list[Recommendation]) -> Counter[str]:
    return Counter(TASTES[int(each.item_id[1:]) % 4] for each in found)


@pytest.mark.slow
def test_it_learns_in_the_background_ranks_by_clicks_and_keeps_the_model_when_it_is_killed(tmp_path: Path) -> None:
    secret = secrets.token_hex(16)
    with local_cloud(tmp_path, access_key_secret=secret) as cloud:
        instance = str(Client(config(cloud)).create_instance().body.result.instance_id)
        airec = airec_of(cloud, instance)
        airec.start()
        push(airec, "item", items(600))
        rows = behaviors(120, 20, 600)
        push(airec, "behavior", rows[:100])
        assert state(cloud, instance) == {"state": "TooFew", "behaviors": 0}
        assert len(airec.recommend(user_id="u1", count=50)) == 50
        push(airec, "behavior", rows[100:])
        assert len(airec.recommend(user_id="u1", count=50)) == 50  # while it learns
        trained = wait_for(lambda: state(cloud, instance), lambda seen: seen["state"] != "Learning", 200)
        assert trained["state"] == "Ready"
        assert trained["behaviors"] >= 500
        seen = {row.fields["item_id"] for row in rows if row.fields["user_id"] == "u2"}
        found = airec.recommend(user_id="u2", count=10)
        assert taste(found)["sea"] >= 7
        assert not seen & {each.item_id for each in found}
        assert all(0 < each.weight < 1 for each in found)  # probabilities
        assert all(each.trace_info for each in found)
        # A new item of his taste is what is tried at his tenth place.
        push(airec, "item", items(4, days_old=1, first=600))
        tenth = airec.recommend(user_id="u2", count=20)[9]
        assert (tenth.item_id, tenth.match_info) == ("i602", "new")
        beside = airec.recommend(user_id="stranger", count=5, items=[("i1", "article")])
        assert taste(beside)["car"] == 5
        only = {"cond": "equal", "field": "tags", "value": "ink"}
        assert taste(airec.recommend(user_id="u2", count=8, filters=only)) == {"ink": 8}
        cloud.kill()
    with local_cloud(tmp_path, access_key_secret=secret) as cloud:
        assert state(cloud, instance) == trained
        assert taste(airec_of(cloud, instance).recommend(user_id="u2", count=9))["sea"] >= 6


def test_items_of_the_same_words_lie_together_and_nothing_is_like_nothing() -> None:
    tea, more, car = (vector_of({"title": text, "tags": kind}) for text, kind in
                      (("green tea", "drinks"), ("black tea", "drinks"), ("fast car", "wheels")))  # fmt: skip
    assert tea @ more > 0.5 > tea @ car
    assert not vector_of({}).any()
