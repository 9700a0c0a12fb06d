"""One person, told and erased in every place, on a real object store, a real store and the local AIRec."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import SecretStr

from searchloom.cloud.airec import Airec
from searchloom.cloud.airec_names import user_key
from searchloom.cloud.airec_rows import Row
from searchloom.cloud.oss import Oss
from searchloom.errors import ServiceUnavailable
from searchloom.personalization.heard import key_of
from searchloom.personalization.person import Person
from searchloom.personalization.store import Store
from searchloom.query.chat.conversations import FILE, Conversations
from searchloom.query.chat.memory import Owner, Turn
from searchloom.settings import Acs, Settings
from searchloom.settings import Airec as AirecSettings
from searchloom.settings import Oss as OssSettings
from searchloom.users import everywhere
from tests.personalization import log_in_oss
from tests.servers import local_cloud


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[Settings]:
    with local_cloud(tmp_path / "cloud") as cloud:
        secret = SecretStr(cloud.access_key_secret)
        yield Settings(
            state=tmp_path / "state",
            oss=OssSettings(
                endpoint=cloud.endpoint, region=cloud.region, bucket=f"b{uuid.uuid4().hex[:8]}",
                access_key_id=cloud.access_key_id, access_key_secret=secret,
            ),
            acs=Acs(endpoint=cloud.endpoint, access_key_id=cloud.access_key_id, access_key_secret=secret),
            airec=AirecSettings(instance_id="airec-cn-local"),
        )  # fmt: skip


def test_a_person_is_told_whole_then_erased_everywhere_and_nobody_else_is(settings: Settings) -> None:
    oss, now = Oss(settings.oss), datetime.now(UTC)
    oss.ensure_bucket()
    log_in_oss.write(oss, [log_in_oss.event(user, "x", "click", now) for user in ("ann", "bob")])
    with Store(settings.state / "personal" / "c" / "v1" / "persons") as store:
        for user in ("ann", "bob"):
            person = Person()
            person.remember("x", 1.0, 1.0)
            store.put(key_of(user), person)
    with closing(Conversations(settings.state / FILE, settings.chat)) as kept:
        for user in ("ann", "bob"):
            kept.add(Owner("default", user, (), "c"), "one", Turn("hello", "hello", "hi"))
    rows = [Row({"user_id": user_key("default", user)}) for user in ("ann", "bob")]
    assert all(outcome.ok for outcome in Airec(settings.acs, settings.airec).push("user", rows))

    told = everywhere.export(oss, settings, "ann", tenant="default")
    assert ([one["item_id"] for one in told["events"]], told["stores"]["c/v1"]["items"]) == (["x"], ["x"])
    assert [one["turns"][0]["message"] for one in told["conversations"]] == ["hello"]
    assert told["erased"] is None
    done = everywhere.erase(oss, settings, "ann", tenant="default")
    assert done == {"events": 1, "files": 1, "persons": 1, "conversations": 1, "airec": "the user's row is deleted"}
    again = everywhere.erase(oss, settings, "ann", tenant="default")
    assert (again["events"], again["persons"]) == (0, 0)
    left = everywhere.export(oss, settings, "ann", tenant="default")
    assert (left["events"], left["stores"]["c/v1"]["items"]) == ([], [])
    assert left["conversations"] == []
    assert left["erased"] is not None
    other = everywhere.export(oss, settings, "bob", tenant="default")
    assert (len(other["events"]), other["stores"]["c/v1"]["items"]) == (1, ["x"])
    assert len(other["conversations"]) == 1
    assert everywhere.export(oss, settings, "ann", tenant="elsewhere")["events"] == []


def test_where_airec_is_away_the_rest_is_erased_and_the_command_fails(settings: Settings) -> None:
    oss = Oss(settings.oss)
    oss.ensure_bucket()
    log_in_oss.write(oss, [log_in_oss.event("ann", "x", "click", datetime.now(UTC))])
    acs = settings.acs.model_copy(update={"endpoint": "http://127.0.0.1:9", "connect_timeout_s": 1})
    with pytest.raises(ServiceUnavailable):
        everywhere.erase(oss, settings.model_copy(update={"acs": acs}), "ann", tenant="default")
    assert everywhere.export(oss, settings, "ann", tenant="default")["events"] == []
