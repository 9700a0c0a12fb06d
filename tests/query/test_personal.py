"""Each person's own order through the API: taught by what people did through the API, and gone when they are erased."""

from __future__ import annotations

import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from fastapi.testclient import TestClient

from searchloom.cloud.oss import Oss
from searchloom.corpus import chunks, manifest
from searchloom.engines.connect import loader
from searchloom.engines.interface import GenerationMeta, Write
from searchloom.personalization import daily, published
from searchloom.query import tokens
from searchloom.query.personal_models import PersonalModels
from searchloom.schemas import embedding_text
from searchloom.settings import ENGINES, Airec, Arm, Events, Experiment, Personal, Settings
from tests.personalization import log_in_oss
from tests.query.conftest import publish, running, wait_for
from tests.query.test_process import environment
from tests.query.tiny_embedding import DIMS, VERSION, encode

pytestmark = pytest.mark.slow

CORPUS = "personal"
PERSONS, ROUNDS = 40, 5
MINE = log_in_oss.ids(CORPUS)
TASTE = {item: taste for taste, items in MINE.items() for item in items}


@pytest.fixture(scope="module")
def own(served: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """A corpus of two tastes in both engines, in a bucket of its own where nobody has done anything."""
    settings = served.model_copy(
        update={
            "state": tmp_path_factory.mktemp("personal-state"),
            "oss": served.oss.model_copy(update={"bucket": f"personal-{uuid.uuid4().hex[:8]}"}),
            "airec": Airec(),
            "events": Events(upload_s=0.2),
            "personal": Personal(refresh_s=0.2),
            "experiment": Experiment(
                name="own", arms={"mine": Arm(share=3), "everybody": Arm(share=1, personalize=False)}
            ),
            "cache": tmp_path_factory.mktemp("personal-cache"),
            "query": served.query.model_copy(update={"personal_ms": 2000}),
        }
    )
    oss, index = Oss(settings.oss), f"hq-{uuid.uuid4().hex[:8]}"
    oss.ensure_bucket()
    log_in_oss.ingest(oss, CORPUS, settings)
    rows = [row for table in chunks.in_force(oss, CORPUS, manifest.read(oss, CORPUS)) for row in table.to_pylist()]
    for name in ENGINES:
        side = loader(settings, name)
        side.create(index, GenerationMeta(CORPUS, VERSION, DIMS))
        assert {outcome.status for outcome in side.write(index, [_write(row) for row in rows])} == {"written"}
        side.refresh(index)
        side.close()
    publish(settings, index, corpus=CORPUS)
    yield settings
    for name in ENGINES:
        side = loader(settings, name)
        side.drop(index)
        side.close()


def _write(row: dict[str, Any]) -> Write:
    vector = encode([embedding_text(row["title"], row["section"], row["text"])])[0].tolist()
    moment = int(row["last_modified"].timestamp() * 1000)
    source = {name: value for name, value in row.items() if name != "chunk_id"}
    return Write("index", row["chunk_id"], row["seq"], {**source, "last_modified": moment, "embedding": vector})


@dataclass
class People:
    """What people do through the API."""

    client: TestClient
    settings: Settings

    def headers(self, user: str, tenant: str = "default") -> dict[str, str]:
        return {"Authorization": f"Bearer {tokens.sign(self.settings, user=user, tenant=tenant)}"}

    def search(self, user: str, query: str = "notes week", k: int = 20, **fields: Any) -> dict[str, Any]:
        body = {"query": query, "corpus": CORPUS, "k": k, "explain": True, "mode": "bm25", **fields}
        response = self.client.post("/v1/search", json=body, headers=self.headers(user))
        assert response.status_code == 200, response.text
        answer: dict[str, Any] = response.json()
        return answer

    def choose(self, user: str, answer: dict[str, Any], items: list[str]) -> None:
        events = [
            {"event_id": uuid.uuid4().hex, "type": "click", "item_id": item, "corpus": CORPUS, "arm": answer["arm"],
             "trace_id": answer["trace_id"], "scene": "search", "query": "notes week"} for item in items
        ]  # fmt: skip
        taken = self.client.post("/v1/events", json={"events": events}, headers=self.headers(user)).json()
        assert taken["accepted"] == len(items)

    def recommend(self, user: str, **fields: Any) -> dict[str, Any]:
        body = {"corpus": CORPUS, "k": 5, **fields}
        answer: dict[str, Any] = self.client.post("/v1/recommend", json=body, headers=self.headers(user)).json()
        return answer


def found(answer: dict[str, Any]) -> list[str]:
    return [one["doc_id"] for one in answer["results"]]


def tastes(answer: dict[str, Any], first: int = 8) -> list[str]:
    return [TASTE[item] for item in found(answer)[:first]]


@pytest.fixture(scope="module")
def people(own: Settings) -> Iterator[People]:
    with running(own) as client:
        yield People(client, own)


@pytest.fixture(scope="module")
def taught(people: People, own: Settings) -> dict[str, Any]:
    """Everybody has searched, chosen what is of his taste, and the nightly training has run."""
    done: dict[str, set[str]] = {}
    for turn in range(ROUNDS):
        for person in range(PERSONS):
            user = f"user-{person}"
            answer = people.search(user, f"notes week {turn}")
            new = [item for item in found(answer) if item in MINE[log_in_oss.taste_of(user)]]
            chosen = [item for item in new if item not in done.setdefault(user, set())][:3]
            done[user].update(chosen)
            if chosen:
                people.choose(user, answer, chosen)
    log = people.client.app.state.parts.channels.events  # type: ignore[attr-defined]
    wait_for(lambda: log.waiting_bytes == 0)
    return train(own, "first")


def train(own: Settings, run_id: str) -> dict[str, Any]:
    oss = Oss(own.oss)
    planned = daily.plan(oss, corpus=CORPUS, day=None, run_id=run_id, settings=own.personal)
    trained = daily.train(oss, plan=planned["plan"], settings=own.personal)
    daily.promote(oss, trained=trained)
    return trained


def models(people: People) -> PersonalModels:
    found_models: PersonalModels = people.client.app.state.parts.personal  # type: ignore[attr-defined]
    return found_models


def served_by(people: People, version: str) -> bool:
    serving = models(people).serving(CORPUS)
    return serving is not None and serving.version == version


def in_arm(people: People, arm: str, taste: str) -> str:
    """Somebody of this arm and taste."""
    users = (f"user-{number}" for number in range(PERSONS))
    return next(
        user for user in users if log_in_oss.taste_of(user) == taste and people.search(user, k=1)["arm"] == f"own/{arm}"
    )


def test_what_people_did_through_the_api_changes_what_each_of_them_finds_first(
    people: People, taught: dict[str, Any]
) -> None:
    assert taught["verdict"] in {"better", "not enough evidence"}
    wait_for(lambda: served_by(people, taught["version"]))
    for taste in MINE:
        user = in_arm(people, "mine", taste)
        own, plain = people.search(user, k=40), people.search(user, k=40, personalize=False)
        assert (own["degraded"], own["personal"], plain["personal"]) == ([], taught["version"], None)
        assert sorted(found(own)) == sorted(found(plain))
        assert tastes(own).count(taste) > max(tastes(plain).count(taste), 5)
        scores = [one["score"] for one in own["results"]]
        assert scores == sorted(scores, reverse=True)
        said = own["results"][0]["parts"]["personal"]
        assert said["rank"] >= 1
        assert said["reason"].partition(":")[0] in {"related", "alike", "popular", "query"}
        assert plain["results"][0]["parts"]["personal"] is None
        pages = people.search(user, k=10)
        rest = people.search(user, k=30, page_token=pages["next_page"])
        assert found(pages) + found(rest) == found(own)


def test_a_stranger_and_who_is_in_the_other_arm_find_everybodys_order(people: People, taught: dict[str, Any]) -> None:
    wait_for(lambda: served_by(people, taught["version"]))
    for user in ("stranger", in_arm(people, "everybody", "space")):
        assert found(people.search(user)) == found(people.search(user, personalize=False))


def test_what_somebody_does_counts_from_the_next_search_on(people: People, taught: dict[str, Any]) -> None:
    wait_for(lambda: served_by(people, taught["version"]))
    names = (f"new-{number}" for number in range(100))
    user = next(name for name in names if people.search(name, k=1)["arm"] == "own/mine")
    before = people.search(user, k=40)
    people.choose(user, before, MINE["space"][:6])
    after = people.search(user, k=40)
    assert tastes(after).count("space") > tastes(before).count("space")


def test_recommendations_are_the_persons_own_and_say_why(people: People, taught: dict[str, Any]) -> None:
    wait_for(lambda: served_by(people, taught["version"]))
    user = in_arm(people, "mine", "garden")
    answer = people.recommend(user)
    assert answer["degraded"] == []
    assert {one["source"] for one in answer["results"]} == {"personal"}
    assert tastes(answer).count("garden") >= 4
    assert all("{" not in one["reason"] and one["reason"] for one in answer["results"])
    assert "personal" not in {one["source"] for one in people.recommend(user, personalize=False)["results"]}
    assert people.recommend("stranger")["results"]


def test_a_model_that_cannot_be_used_is_left_out_and_named_and_the_old_one_serves_on(
    people: People, taught: dict[str, Any], own: Settings
) -> None:
    wait_for(lambda: served_by(people, taught["version"]))
    user, oss = in_arm(people, "mine", "garden"), Oss(own.oss)
    published.point(oss, CORPUS, "gone")
    wait_for(lambda: CORPUS in models(people)._trouble)
    assert people.search(user)["personal"] == taught["version"]
    elsewhere = own.model_copy(update={"state": own.state / "another"})
    with running(elsewhere) as client:
        other = People(client, elsewhere)
        plain = found(other.search(user, personalize=False))
        wait_for(lambda: bool(models(other)._trouble))
        answer = other.search(user)
        assert (answer["degraded"], found(answer)) == (["personal"], plain)
        assert other.recommend(user)["degraded"] == ["personal"]
    published.point(oss, CORPUS, taught["version"])
    wait_for(lambda: not models(people)._trouble)
    assert people.search(user)["degraded"] == []


@pytest.fixture
def command(own: Settings) -> Callable[..., tuple[int, str]]:
    """``searchloom`` in a process of its own: the store of persons is open in this one."""
    more = {
        "SEARCHLOOM_OSS__BUCKET": own.oss.bucket,
        "SEARCHLOOM_EXPERIMENT": own.experiment.model_dump_json(),
    }

    def run(*words: str) -> tuple[int, str]:
        done = subprocess.run(
            [sys.executable, "-m", "searchloom.cli", *words],
            env=environment(own, own.query.url) | more,
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr

    return run


def test_the_arms_are_compared_on_what_people_chose(
    taught: dict[str, Any], command: Callable[..., tuple[int, str]]
) -> None:
    assert taught
    code, said = command("evaluate", "live", "--corpus", CORPUS, "--json")
    assert code == 0, said
    assert '"mine"' in said
    assert '"more_people"' in said
    code, said = command("evaluate", "live", "--corpus", CORPUS)
    assert code == 0, said
    assert "nobody was in an arm" in command("evaluate", "live", "--corpus", "nowhere")[1]


def test_an_erased_person_is_gone_at_once_and_from_the_next_training(
    people: People, taught: dict[str, Any], own: Settings, command: Callable[..., tuple[int, str]]
) -> None:
    wait_for(lambda: served_by(people, taught["version"]))
    user = in_arm(people, "mine", "space")
    assert found(people.search(user)) != found(people.search(user, personalize=False))
    log = people.client.app.state.parts.channels.events  # type: ignore[attr-defined]
    wait_for(lambda: log.waiting_bytes == 0)
    code, said = command("users", "export", user, "--json")
    assert code == 0, said
    assert MINE["space"][0] in said or '"type": "click"' in said
    code, said = command("users", "erase", user)
    assert code == 0, said
    assert "are erased" in said
    wait_for(lambda: found(people.search(user)) == found(people.search(user, personalize=False)))
    before = published.read_card(Oss(own.oss), taught["version"])
    again = train(own, "after the erasure")
    assert published.read_card(Oss(own.oss), again["version"]).persons <= before.persons
    wait_for(lambda: served_by(people, again["version"]))
    serving = models(people).serving(CORPUS)
    assert serving
    assert serving.persons.get(user, "default").events == 0
    assert command("users", "erase", "nobody at all")[0] == 0
    assert "0 events of nobody" in command("users", "export", "nobody at all")[1]
    code, said = command("users", "erase", " ")
    assert (code, "is no user" in said) == (2, True)
