"""The daily training, on a real object store: what is learned serves, what cannot be learned is said."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from searchloom.cloud.oss import Oss
from searchloom.errors import NotFound
from searchloom.personalization import daily, logged, privacy, published
from searchloom.personalization.difference import Difference, together
from searchloom.personalization.heard import Recently
from searchloom.personalization.offpolicy import LEAST_EFFECTIVE, Estimate
from searchloom.personalization.persons import Persons
from searchloom.personalization.serve import Candidate, Personal
from searchloom.settings import Personal as PersonalSettings
from searchloom.settings import Settings
from tests.personalization import log_in_oss

SETTINGS = PersonalSettings()
_TODAY = datetime.now(UTC).date()

pytestmark = pytest.mark.slow


@pytest.fixture
def corpus(oss: Oss, tmp_path: Path) -> str:
    """A corpus with documents, where nobody has done anything yet."""
    name = "tastes"  # the ids of its documents follow from it, and with them what is drawn for whom
    log_in_oss.ingest(oss, name, Settings(cache=tmp_path / "cache"))
    return name


def run(oss: Oss, corpus: str, run_id: str = "run", **options: Any) -> dict[str, Any]:
    planned = daily.plan(oss, corpus=corpus, day=None, run_id=run_id, settings=SETTINGS, **options)
    trained = daily.train(oss, plan=planned["plan"], settings=SETTINGS)
    return {**trained, "serves": daily.promote(oss, trained=trained)["version"]}


def serving(oss: Oss, corpus: str, folder: Path) -> Personal:
    version = published.current(oss, corpus)
    assert version
    return Personal.load(published.fetch(oss, version, folder / version / "model"))


def tops(personal: Personal, persons: Persons, corpus: str, user: str) -> list[str]:
    """The tastes of what stands first when everything is equally relevant."""
    tastes = {item: taste for taste, items in log_in_oss.ids(corpus).items() for item in items}
    hits = [Candidate(item, 1.0) for item in sorted(tastes)]
    placed = personal.order(persons.get(user, "default"), hits, datetime.now(UTC).timestamp())
    assert sorted(one.item_id for one in placed) == sorted(tastes)
    return [tastes[one.item_id] for one in placed[:6]]


def persons_of(oss: Oss, corpus: str, personal: Personal, folder: Path) -> Persons:
    found = Persons(folder / "persons", personal, Recently(), corpus=corpus, days=90)
    found.catch_up(oss, privacy.erased(oss), threading.Event())
    return found


def test_with_too_little_behaviour_nothing_is_published_and_it_is_said(
    oss: Oss, corpus: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        assert run(oss, corpus)["verdict"] == daily.TOO_LITTLE
    log_in_oss.write(oss, log_in_oss.behaviour(corpus, persons=5, rounds=2))
    with caplog.at_level(logging.INFO):
        told = run(oss, corpus, "another")
    assert (told["version"], told["serves"]) == (None, None)
    assert "20 are needed, nothing is published" in caplog.text
    assert not list(oss.list("models/personal/"))
    with pytest.raises(NotFound, match="ingest_corpus"):
        daily.plan(oss, corpus="nowhere", day=None, run_id="run", settings=SETTINGS)


def test_what_was_learned_serves_and_a_retry_changes_nothing(oss: Oss, corpus: str, tmp_path: Path) -> None:
    log_in_oss.write(oss, log_in_oss.behaviour(corpus))
    first = run(oss, corpus)
    assert first["verdict"] in {"better", "not enough evidence"}
    assert first["version"] == first["serves"] == published.current(oss, corpus)
    files = {info.key: info.etag for info in oss.list(f"models/personal/{first['version']}/")}
    assert run(oss, corpus) == first
    assert run(oss, corpus, "another run on the same files") == first
    assert {info.key: info.etag for info in oss.list(f"models/personal/{first['version']}/")} == files
    card = published.read_card(oss, first["version"])
    assert card.weights["search"] > 0
    assert (card.persons, card.items) == (60, 40)
    # Everybody searched once a round, and what was chosen stood anywhere: the estimate knows it without the ranker.
    assert card.metrics["clicks.effective"] >= LEAST_EFFECTIVE
    assert card.metrics["clicks.low"] > 0
    assert "clicks by the log (SNIPS)" in card.summary
    personal = serving(oss, corpus, tmp_path)
    persons = persons_of(oss, corpus, personal, tmp_path)
    assert tops(personal, persons, corpus, "user-0").count("garden") >= 5
    assert tops(personal, persons, corpus, "user-1").count("space") >= 5
    persons.close()


def test_the_next_day_is_held_against_what_serves_and_older_models_go(
    oss: Oss, corpus: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Sixty people choose at random among what they like: now and then the second model loses by chance.
    monkeypatch.setattr(daily, "together", lambda _judged: "not enough evidence")
    log_in_oss.write(oss, log_in_oss.behaviour(corpus, first=datetime.now(UTC) - timedelta(days=8)))
    first = run(oss, corpus)
    log_in_oss.write(oss, log_in_oss.behaviour(corpus, rounds=3, seed=5), "later")
    second = run(oss, corpus, "second")
    assert second["version"] not in {None, first["version"]}, second["summary"]
    assert published.read_card(oss, second["version"]).against == first["version"]
    older = daily.plan(
        oss, corpus=corpus, day=(_TODAY - timedelta(days=3)).isoformat(), run_id="back", settings=SETTINGS
    )
    backfilled = daily.train(oss, plan=older["plan"], settings=SETTINGS)
    assert daily.promote(oss, trained=backfilled)["version"] == second["version"]  # what is newer serves on
    log_in_oss.write(oss, log_in_oss.behaviour(corpus, rounds=1, seed=6), "last")
    third = run(oss, corpus, "third")
    there = {info.key.split("/")[2] for info in oss.list("models/personal/")}
    assert there == {second["version"], third["version"]}


def test_a_model_that_loses_is_not_published(oss: Oss, corpus: str, monkeypatch: pytest.MonkeyPatch) -> None:
    log_in_oss.write(oss, log_in_oss.behaviour(corpus))
    # A way of learning gone wrong: the order is turned round.
    monkeypatch.setattr(daily, "learn_all", backwards(daily.learn_all))
    told = run(oss, corpus)
    assert (told["verdict"], told["serves"]) == ("worse", None)
    assert "clicks by the log (SNIPS)" in told["summary"]
    assert not list(oss.list("models/personal/"))


def backwards(learn_all: Callable[..., Any]) -> Callable[..., Any]:
    def turned(*given: Any, **options: Any) -> Any:
        learned = learn_all(*given, **options)
        searcher = learned.personal.searcher
        trees = replace(searcher.trees, value=-searcher.trees.value)
        wrong = replace(learned.personal, searcher=replace(searcher, trees=trees, weight=1.0))
        return replace(learned, personal=wrong)

    return turned


def test_an_erased_person_has_no_part_in_the_next_training(oss: Oss, corpus: str, tmp_path: Path) -> None:
    rows = log_in_oss.behaviour(corpus)
    log_in_oss.write(oss, rows)
    run(oss, corpus)
    privacy.erase(oss, "user-0")
    late = [row for row in rows if row["user_id"] == "user-0"]
    log_in_oss.write(oss, late, "late")  # from a process that had not uploaded them yet
    second = run(oss, corpus, "second")
    assert published.read_card(oss, second["version"]).persons == 59
    personal = serving(oss, corpus, tmp_path)
    persons = persons_of(oss, corpus, personal, tmp_path)
    assert persons.get("user-0", "default").events == 0
    assert persons.get("user-1", "default").events > 0
    persons.close()


def test_events_about_another_tenants_documents_count_for_nothing() -> None:
    now = datetime.now(UTC)
    rows = [
        log_in_oss.event("u", "theirs", "click", now),
        log_in_oss.event("u", "ours", "click", now),
        {**log_in_oss.event("u", "ours", "click", now), "tenant": "other"},
        {"item_id": "ours"},
    ]
    found = list(logged.events(rows, {"theirs": "other", "ours": "default"}))
    assert [(one.user_id, one.item_id) for one in found] == [("default\0u", "ours")]


def test_an_estimate_that_is_clearly_worse_refuses_and_one_of_too_few_people_does_not() -> None:
    fine = Difference(200, 0.5, 0.5, -0.01, 0.01)
    worse = Estimate(200, 0.4, 0.5, -0.15, -0.05, effective=150.0)
    assert together({"lists": fine, "searches": fine, "clicks": worse}) == "worse"
    assert together({"lists": fine, "clicks": replace(worse, effective=25.0)}) == "not enough evidence"
    assert together({"lists": fine, "clicks": Estimate(0, 0.0, 0.0, 0.0, 0.0)}) == "not enough evidence"


def test_verdicts_need_people_and_an_interval_beside_zero() -> None:
    assert Difference(19, 0.9, 0.1, 0.5, 0.9).verdict == "not enough evidence"
    assert Difference(20, 0.9, 0.1, 0.5, 0.9).verdict == "better"
    assert Difference(20, 0.1, 0.9, -0.9, -0.5).verdict == "worse"
    assert Difference(20, 0.5, 0.5, -0.1, 0.1).verdict == "not enough evidence"
    assert Difference(20, 0.848, 0.853, -0.008, -0.002).verdict == "not enough evidence"
