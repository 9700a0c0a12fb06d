"""The release board inside a real Airflow API server, over a real bucket."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from pydantic import SecretStr

import tests.dags.airflow_home  # noqa: F401  Airflow reads its environment when it is imported
from searchloom.cloud.oss import Oss
from searchloom.evaluation.drift import report as drift
from searchloom.evaluation.gate import Budget, Figure, GateReport, Guard, QueryDelta, report_key
from searchloom.orchestration.connections import environment
from searchloom.release.document import EmbeddingModel, Gate, Release, current_key, release_key
from searchloom.settings import Oss as OssSettings
from searchloom.settings import Settings
from tests.servers import local_cloud

CORPUS = "board"
INDEX = "searchloom-board"
NASTY = "<script>alert(1)</script> \"quoted\" 'too'"


@pytest.fixture(scope="module")
def oss(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Oss]:
    with local_cloud(tmp_path_factory.mktemp("cloud")) as cloud, pytest.MonkeyPatch.context() as patch:
        settings = OssSettings(
            endpoint=cloud.endpoint,
            region=cloud.region,
            bucket="board",
            access_key_id=cloud.access_key_id,
            access_key_secret=SecretStr(cloud.access_key_secret),
        )
        for name, value in environment(Settings(oss=settings)).items():
            patch.setenv(name, value)
        client = Oss(settings)
        client.ensure_bucket()
        _release(client, 1, gate=None)
        _release(client, 2, gate=Gate(verdict="better", summary="It won.", report=report_key(CORPUS, "manual__1")))
        client.put_json(current_key(CORPUS), {"release": 2, "before": 1})
        client.put(report_key(CORPUS, "manual__1"), _report("manual__1", "better").model_dump_json().encode())
        client.put(report_key(CORPUS, "manual__2"), _report("manual__2", "worse").model_dump_json().encode())
        for day in (1, 2, 3):
            drift.write(client, _drift(f"2026-11-0{day}"))
        client.put("models/embedding/own-2/curve.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>")
        yield client


@pytest.fixture(scope="module")
def airflow(oss: Oss) -> Iterator[TestClient]:  # noqa: ARG001  the connections lead to the bucket
    from airflow.api_fastapi.app import create_app  # noqa: PLC0415  not before the environment is set
    from airflow.utils.db import initdb  # noqa: PLC0415

    initdb()
    with TestClient(create_app(), follow_redirects=False) as client:
        yield client


def asked_by(airflow: TestClient, role: str | None, path: str) -> Any:
    from airflow.api_fastapi.app import get_auth_manager  # noqa: PLC0415
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser  # noqa: PLC0415

    airflow.cookies.clear()
    if role:
        token = get_auth_manager().generate_jwt(SimpleAuthManagerUser(username=role.lower(), role=role))
        airflow.cookies.set("_token", token)
    return airflow.get(path)


def test_it_stands_in_the_navigation(airflow: TestClient) -> None:
    answer = asked_by(airflow, "ADMIN", "/api/v2/plugins")
    views = [view for plugin in answer.json()["plugins"] for view in plugin["external_views"]]
    assert ("Releases", "nav", "/release-board/") in [(v["name"], v["destination"], v["href"]) for v in views]
    assert asked_by(airflow, "ADMIN", "/release-board/icon.svg").headers["content-type"] == "image/svg+xml"


def test_the_default_page_leads_to_a_corpus(airflow: TestClient) -> None:
    answer = asked_by(airflow, "VIEWER", "/release-board/")
    assert (answer.status_code, answer.headers["location"]) == (302, f"/release-board/?corpus={CORPUS}")


def test_it_shows_what_serves_who_won_by_how_much_and_what_lost(airflow: TestClient) -> None:
    page = asked_by(airflow, "VIEWER", f"/release-board/?corpus={CORPUS}").text
    for shown in (
        "Release 2 serves",
        "own-2",
        "became release 2",
        "did not become a release",
        "judged by people",
        "opensearch",
        "elasticsearch",
        "+0.042",
        "95 % interval",
        "/release-board/curves/embedding/own-2.svg",
        "takes about 812 judged queries",
        "exceeded",
    ):
        assert shown in page


def test_a_query_cannot_bring_code_into_the_page(airflow: TestClient) -> None:
    answer = asked_by(airflow, "VIEWER", f"/release-board/?corpus={CORPUS}")
    assert "<script>alert" not in answer.text
    assert "&lt;script&gt;alert" in answer.text
    assert "script-src 'self'" in answer.headers["content-security-policy"]


def test_it_shows_what_has_drifted_how_far_and_since_when(airflow: TestClient) -> None:
    page = asked_by(airflow, "VIEWER", f"/release-board/?corpus={CORPUS}").text
    for shown in (
        '<span class="chip drifted">drifted</span>',
        "1200 searches of 90 people",
        '<td>zh</td><td class="number">12.0 %</td><td class="number">31.0 %</td><td class="number">+19.0</td>',
        "+19.0 points, 95 % interval +15.0 to +23.0, threshold 10.0",
        "3 days, at most 1.9 thresholds, 1.9 on the last",
        "no release serves yet",
        '<span class="chip too-little-to-say">too little to say</span>',
        '<q dir="auto">&lt;script&gt;alert(1)&lt;/script&gt;',
    ):
        assert shown in page


def test_nobody_and_strangers_see_nothing(airflow: TestClient) -> None:
    assert asked_by(airflow, None, f"/release-board/?corpus={CORPUS}").status_code == 401
    assert asked_by(airflow, None, "/release-board/curves/embedding/own-2.svg").status_code == 401


def test_only_who_may_trigger_the_dag_sees_the_button(airflow: TestClient) -> None:
    button = 'id="rollback"'
    assert button not in asked_by(airflow, "VIEWER", f"/release-board/?corpus={CORPUS}").text
    for role in ("USER", "OP", "ADMIN"):
        assert button in asked_by(airflow, role, f"/release-board/?corpus={CORPUS}").text


def test_learning_curves_are_pictures_of_the_bucket(airflow: TestClient) -> None:
    answer = asked_by(airflow, "VIEWER", "/release-board/curves/embedding/own-2.svg")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/svg+xml")
    for missing in ("embedding/own-3", "embedding/..%2F..%2Fsecret"):
        assert asked_by(airflow, "VIEWER", f"/release-board/curves/{missing}.svg").status_code == 404


def test_an_unknown_corpus_is_named_with_those_there_are(airflow: TestClient) -> None:
    answer = asked_by(airflow, "VIEWER", "/release-board/?corpus=nowhere")
    assert answer.status_code == 404
    assert "'nowhere'" in answer.text
    assert CORPUS in answer.text


def test_a_bucket_that_is_away_is_one_sentence(airflow: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    away = OssSettings(
        endpoint="http://127.0.0.1:9", bucket="board", access_key_id="x", access_key_secret=SecretStr("y")
    )
    monkeypatch.setenv("AIRFLOW_CONN_ALIBABA_OSS", environment(Settings(oss=away))["AIRFLOW_CONN_ALIBABA_OSS"])
    answer = asked_by(airflow, "VIEWER", f"/release-board/?corpus={CORPUS}")
    assert answer.status_code == 502
    assert "cannot be reached" in answer.text
    assert "Traceback" not in answer.text


def _release(oss: Oss, number: int, gate: Gate | None) -> None:
    release = Release(
        corpus=CORPUS,
        number=number,
        embedding=EmbeddingModel(version=f"own-{number}", dims=384),
        generation={"opensearch": f"{INDEX}-{number}", "elasticsearch": f"{INDEX}-{number}"},
        gate=gate,
        previous=number - 1 or None,
        created=datetime(2026, 11, 1, tzinfo=UTC) + timedelta(days=number),
        created_by="train_models",
    )
    oss.put(release_key(CORPUS, number), release.model_dump_json().encode())


def _figure(group: str, by: Any) -> Figure:
    return Figure(
        group=group,
        by=by,
        queries=113,
        changed=60,
        live=0.437,
        candidate=0.479,
        gain=0.042,
        low=0.02,
        high=0.06,
        p=0.001,
    )


def _drift(day: str) -> drift.Report:
    line = drift.Line(name="zh", reference=0.12, recent=0.31, difference=0.19, low=0.15, high=0.23, threshold=0.1)
    return drift.Report(
        corpus=CORPUS,
        day=day,
        created=datetime(2026, 11, 4, tzinfo=UTC),
        reference=drift.Window(first="2026-10-01", last="2026-10-28", searches=5000, people=100),
        recent=drift.Window(first="2026-10-29", last="2026-11-04", searches=1200, people=90),
        figures=[
            drift.Figure.of("languages", [line]),
            drift.Figure.unknown("vectors of queries", "no release serves yet"),
        ],
        new_queries=[drift.NewQuery(query=NASTY, people=4)],
    )


def _report(run_id: str, verdict: Any) -> GateReport:
    human = "judged by people"
    return GateReport(
        corpus=CORPUS,
        run_id=run_id,
        created=datetime(2026, 11, 3, tzinfo=UTC),
        live={"number": 1},
        named={},
        candidate={"embedding": {"version": "own-2"}, "reranker": None},
        verdict=verdict,
        reasons=["nDCG@10 rises by 0.0420.", "To show a gain of 0.0420 takes about 812 judged queries; there are 113."],
        combined=_figure("all", "both engines"),
        figures=[_figure(human, "opensearch"), _figure(human, "elasticsearch")],
        guards=[Guard(figure=_figure("unseen documents", "both engines"), state="kept")],
        budgets=[Budget(name="reranking", live=0, candidate=2500, limit=2000, unit="ms")],
        queries_needed=812,
        lost=[QueryDelta(query_id="7", query=NASTY, stratum=human, live=0.8, candidate=0.2, gain=-0.6)],
        won=[],
    )
