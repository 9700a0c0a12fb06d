"""Every operation of ``/openapi.json``, called by schemathesis as the document allows and as it does not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as hypothesis_settings
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from searchloom.query import tokens
from searchloom.settings import Settings
from tests.query.test_process import query_service

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    negative_data_rejection,
]

EXAMPLES = 40
STREAMED = "/v1/chat"
"""Answered by a stream of events, which is tested in tests/query/chat."""


@pytest.fixture(scope="module")
def url(served: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The real service, as a process of its own, without a limit on how often one user may ask."""
    log: Path = tmp_path_factory.mktemp("schemathesis") / "log"
    unlimited = {"LIMITS__USER_PER_MINUTE": "0", "LIMITS__TENANT_PER_MINUTE": "0"}
    with query_service(served, log, **unlimited) as (address, _):
        yield address


@pytest.mark.parametrize("mode", GenerationMode)
def test_no_call_is_answered_otherwise_than_the_document_says(url: str, served: Settings, mode: GenerationMode) -> None:
    headers = {"Authorization": f"Bearer {tokens.sign(served, user='schemathesis')}"}
    document = schemathesis.openapi.from_url(f"{url}/openapi.json").exclude(path=STREAMED)
    operations = [found.ok() for found in document.get_all_operations()]
    assert {"/v1/search", "/v1/suggest", "/v1/corpora", "/readyz"} <= {operation.path for operation in operations}
    for operation in operations:
        if mode is GenerationMode.NEGATIVE and not (operation.body or operation.query):
            continue  # there is nothing to be wrong about

        @given(operation.as_strategy(generation_mode=mode))
        @hypothesis_settings(
            max_examples=EXAMPLES,
            deadline=None,
            derandomize=True,
            database=None,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        def every_call_is_as_documented(case: Case) -> None:
            case.validate_response(case.call(base_url=url, headers=headers), checks=CHECKS)

        every_call_is_as_documented()
