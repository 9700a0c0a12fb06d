"""Questions by the local cloud's language model, and what training does where there is none."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pydantic import SecretStr

from searchloom.cloud.bailian import Bailian
from searchloom.settings import Bailian as BailianSettings
from searchloom.training.questions import of_llm
from tests.localcloud.dashscope_clients import our_client
from tests.servers import LocalCloud, free_port, local_cloud
from tests.training.test_pairs import LONG, passages

pytestmark = pytest.mark.slow

FOUND = passages(
    *(
        (f"Pump {number}", [("Repair", f"The seal of pump {number} is changed from below. {LONG}")])
        for number in range(4)
    )
)


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCloud]:
    with local_cloud(tmp_path_factory.mktemp("questions")) as running:
        yield running


@pytest.fixture
def bailian(cloud: LocalCloud) -> Iterator[Bailian]:
    with our_client(cloud) as client:
        yield client


def test_each_question_leads_to_the_passage_that_it_was_written_for(bailian: Bailian) -> None:
    pairs = of_llm(bailian, FOUND, {"d3"}, questions=2, most_passages=10, seed=1)
    assert {pair.doc_id for pair in pairs} <= {"d0", "d1", "d2"}
    assert pairs, "the model wrote nothing that may be a question"
    for pair in pairs:
        assert pair.source == "llm"
        assert pair.place is not None
        assert FOUND.all[pair.place].doc_id == pair.doc_id
        assert pair.query not in FOUND.all[pair.place].text


def test_a_model_that_is_down_costs_its_questions_and_not_the_training() -> None:
    client = Bailian(BailianSettings(url=f"http://127.0.0.1:{free_port()}", api_key=SecretStr("sk-none")))
    assert of_llm(client, FOUND, set(), questions=2, most_passages=10, seed=1) == []
    client.close()


def test_no_more_passages_are_asked_about_than_is_allowed(bailian: Bailian) -> None:
    pairs = of_llm(bailian, FOUND, set(), questions=1, most_passages=2, seed=1)
    assert len(pairs) <= 2
