from __future__ import annotations

import socket

import pytest

from searchloom.errors import ServiceUnavailable
from searchloom.orchestration.api import AirflowApi
from searchloom.orchestration.start import Order, start
from searchloom.settings import Airflow


def test_an_airflow_that_is_not_there_is_one_sentence_with_its_address_and_the_remedy() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"  # bound, but nobody listens
        with pytest.raises(ServiceUnavailable, match="searchloom up") as refused:
            start(AirflowApi(Airflow(url=url)), Order("ingest_corpus", "docs"))
    assert url in str(refused.value)
