"""The reranker's teaching, with very few steps: what matters is that it never makes the order worse than the cosine."""

from __future__ import annotations

import json
import time
from pathlib import Path

import psutil
import pytest
from pydantic import SecretStr

from localcloud.credentials import Keyring
from localcloud.dashscope.docstrings import pairs
from searchloom.cloud.bailian import Bailian
from searchloom.settings import Bailian as BailianSettings
from tests.servers import local_cloud

DOCUMENTS = [
    "A cat sleeps on the sofa in the living room.",
    "The central bank raised interest rates, so that loans cost more.",
    "Bread is baked from flour, water, salt and yeast.",
    "The telescope took pictures of a distant galaxy.",
]
ABOUT = {"the price of borrowing money": 1, "a pet that takes a nap": 0, "how to make a loaf": 2, "astronomy": 3}


def test_docstrings_are_the_same_for_a_seed() -> None:
    first = pairs(20, 1)
    assert pairs(20, 1) == first
    assert len({body for _, body in first}) == 20
    assert pairs(20, 2) != first


@pytest.mark.slow
def test_relevant_documents_come_first_before_and_after_the_teaching(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    variables = {"LOCALCLOUD_CACHE": str(cache), "LOCALCLOUD_TEACHING_STEPS": "4"}
    with local_cloud(tmp_path / "state", variables=variables) as cloud:
        key = Keyring(cloud.access_key_id, cloud.access_key_secret).api_key
        client = Bailian(BailianSettings(url=cloud.endpoint, api_key=SecretStr(key), read_timeout_s=120))

        def best() -> dict[str, int]:
            return {query: client.rerank(query, DOCUMENTS, top_n=4)[0].index for query in ABOUT}

        assert best() == ABOUT
        teachers = [
            each
            for each in psutil.Process(cloud.pid).children()
            if "localcloud.dashscope.teach_reranker" in each.cmdline()
        ]
        assert len(teachers) == 1
        card = cache / "reranker" / "card.json"
        while not card.exists():
            assert teachers[0].is_running(), (tmp_path / "state" / "dashscope" / "teaching.log").read_text()
            time.sleep(0.5)
        learned = json.loads(card.read_text(encoding="utf-8"))
        figures = {float(weight): value for weight, value in learned["mrr_of_weights"].items()}
        # Nothing, or what is better than the cosine alone on docstrings that were not taught.
        assert learned["weight"] == 0 or figures[learned["weight"]] > figures[0.0]
        assert best() == ABOUT
        client.close()
