"""A trial's verdicts: real behaviour, behaviour without persons in it, and sets that lack fields."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from searchloom.personalization import trial
from searchloom.personalization.catalog import Catalog, complete
from searchloom.personalization.catalog import read_jsonl as read_items
from searchloom.personalization.events import Log, log_of, read_jsonl
from searchloom.personalization.groups import Queries
from searchloom.personalization.lexical import Bm25
from searchloom.personalization.replay import one_time, own_time
from searchloom.personalization.texts import latent_vectors
from tests.personalization.behaviour import events, items, small
from tests.personalization.ml100k import folder

PEERS = ("popularity", "item-knn", "als", "bpr")


def queries_of(catalog: Catalog) -> Queries:
    return Queries.of(catalog.items, Bm25([f"{item.title} {item.text}" for item in catalog.items]))


def halves(log: Log) -> tuple[Log, Log]:
    before = own_time(log, trial.SHARE)
    return log.only(before), log.only(~before)


@pytest.mark.slow
def test_on_ml_100k_the_personal_order_beats_every_plain_recommender() -> None:
    described = list(read_items(folder() / "items.jsonl"))
    log = log_of(read_jsonl(folder() / "events.jsonl"), [item.item_id for item in described])
    assert len(log) == 100_000
    catalog = Catalog(complete(described, log.items), latent_vectors(described))
    queries, sizes = queries_of(catalog), trial.Sizes(search_persons=500)
    found = trial.learned(*halves(log), catalog, queries, sizes=sizes)
    report = trial.judge(found, sizes)
    for peer in PEERS:
        assert report["differences"][f"personal - {peer}"]["low"] > 0, report
    assert report["differences"]["personal - ease"]["high"] > 0
    assert report["ndcg@10"]["personal"] > 0.98 * report["ndcg@10"]["ease"]
    searches = trial.judge_search(found, queries, sizes)["differences"]
    assert searches["personal - popularity"]["relative"] >= 0.2
    assert searches["personal - popularity"]["low"] > 0
    assert searches["personal - bm25"]["mean"] > searches["personal - popularity"]["mean"]


def test_where_persons_do_not_differ_the_plain_order_stays() -> None:
    log, catalog = small(persons=200)
    queries, sizes = queries_of(catalog), trial.Sizes()
    for mixed, better in ((False, True), (True, False)):
        found = trial.learned(
            *halves(trial.shuffled(log, 3) if mixed else log), catalog, queries, sizes=sizes, lists=False
        )
        relative = trial.judge_search(found, queries, sizes)["differences"]["personal - popularity"]["relative"]
        assert relative > 0.1 if better else relative >= -0.01


def test_a_persons_time_is_cut_for_each_and_the_clock_for_all() -> None:
    log, _ = small(persons=30)
    own, one = own_time(log, 0.8), one_time(log, 0.8)
    assert np.bincount(log.user[own], minlength=30).tolist() == [19] * 30
    assert log.time[one].max() <= log.time[~one].min()
    for user in range(30):
        mine = log.user == user
        assert log.time[mine & own].max() <= log.time[mine & ~own].min()


@pytest.mark.slow
def test_the_command_bears_missing_fields_other_types_and_unknown_items(tmp_path: Path) -> None:
    rows = [{"item_id": item.item_id} for item in items()[:100]]  # twenty items are known by events alone
    (tmp_path / "items.jsonl").write_text("\n".join(map(json.dumps, rows)))
    kinds = ("view", "purchase", "wish")
    done = [
        {"user_id": each.user_id, "item_id": each.item_id, "type": kinds[number % 3], "time": str(int(each.time))}
        for number, each in enumerate(events())
    ]
    (tmp_path / "events.jsonl").write_text("\n".join(map(json.dumps, done)))
    command = [sys.executable, "-m", "searchloom.cli", "bench", "personal"]
    words = [*command, str(tmp_path), "--json", "--without-airec"]
    report = json.loads(subprocess.run(words, capture_output=True, check=True).stdout)
    assert report["data"] == {
        "items": 120, "persons": 120, "events": 2880, "liked": 2880, "queries": 0,
        "items_with_a_kind": 0, "items_with_a_year": 0,
    }  # fmt: skip
    assert report["own_time"]["recommend"]["persons"] > 100
    assert report["own_time"]["search"]["lists"] == 0
    away = subprocess.run([*command, str(tmp_path / "none")], capture_output=True, text=True, check=False)
    assert (away.returncode, "items.jsonl" in away.stderr) == (2, True)
