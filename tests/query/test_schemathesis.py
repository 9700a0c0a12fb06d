"""Every operation of ``/openapi.json``, called by schemathesis as the document allows and as it does not."""

from __future__ import annotations

from collections import Counter
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
from tests.query.chat.scripted_model import scripted_model
from tests.query.collection import CORPUS
from tests.query.test_process import query_service

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    negative_data_rejection,
]

REFUSALS = ["400", "401", "403", "404", "413", "422"]
"""What is wrong is answered so; of what is too large nothing is read, so that nobody says what else is wrong."""

EXAMPLES = 40


@pytest.fixture(scope="module")
def url(served: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The real service, as a process of its own, with a model that answers at once and no limit on one user."""
    log: Path = tmp_path_factory.mktemp("schemathesis") / "log"
    names = ("USER_PER_MINUTE", "TENANT_PER_MINUTE", "USER_TOKENS_PER_HOUR", "USER_MODEL_S_PER_HOUR")
    unlimited = {f"LIMITS__{name}": "0" for name in names}
    with scripted_model() as model:
        model.says = lambda _: ["Merge two tables with a join ", "on a key column [1]."]
        spoken = {"BAILIAN__URL": model.url, "BAILIAN__API_KEY": "k"}
        with query_service(served, log, **unlimited, **spoken) as (address, _):
            yield address


@pytest.mark.parametrize("mode", GenerationMode)
def test_no_call_is_answered_otherwise_than_the_document_says(url: str, served: Settings, mode: GenerationMode) -> None:
    headers = {"Authorization": f"Bearer {tokens.sign(served, user='schemathesis')}"}
    document = schemathesis.openapi.from_url(f"{url}/openapi.json")
    document.config.checks.negative_data_rejection.expected_statuses = REFUSALS
    operations = [found.ok() for found in document.get_all_operations()]
    paths = {operation.path for operation in operations}
    assert {"/v1/search", "/v1/chat", "/v1/recommend", "/v1/suggest", "/v1/corpora", "/readyz"} <= paths
    answered = Counter[tuple[str, int]]()
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
            if mode is GenerationMode.POSITIVE:
                ask_of_what_is_there(case)
            response = case.call(base_url=url, headers=headers)
            answered[case.path, response.status_code] += 1
            case.validate_response(response, checks=CHECKS)

        every_call_is_as_documented()
    if mode is GenerationMode.POSITIVE:
        assert {"/v1/search", "/v1/chat", "/v1/suggest"} <= {path for path, status in answered if status == 200}


def ask_of_what_is_there(case: Case) -> None:
    """Name a corpus that there is, where one can be named: of the names that are drawn none is."""
    if case.path in {"/v1/search", "/v1/chat", "/v1/recommend"} and isinstance(case.body, dict):
        case.body["corpus"] = CORPUS
    elif case.path == "/v1/suggest":
        case.query["corpus"] = CORPUS
