"""Any request that the vendor's own code signs is taken, and no other one."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from alibabacloud_tea_openapi.utils import Utils
from darabonba.request import DaraRequest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from localcloud.acs.errors import AcsError
from localcloud.acs.request import AcsRequest
from localcloud.acs.signature import ALGORITHM, Verifier
from localcloud.credentials import Keyring

KEYRING = Keyring("key-id", "key-secret")
# The vendor's code signs names as they are, which is right for the names that there are.
QUERIES = st.dictionaries(st.from_regex(r"[A-Za-z0-9._-]{1,8}", fullmatch=True), st.text(max_size=12), max_size=5)
CHANGES: dict[str, Callable[[AcsRequest], object]] = {
    "method": lambda request: setattr(request, "method", "PUT"),
    "path": lambda request: setattr(request, "raw_path", request.raw_path + "x"),
    "query": lambda request: request.query.update(more="1"),
    "body": lambda request: setattr(request, "body", request.body + b" "),
    "action": lambda request: request.headers.update({"x-acs-action": "DeleteJob"}),
    "unsigned header": lambda request: request.headers.update({"x-acs-more": "1"}),
    "no nonce": lambda request: request.headers.pop("x-acs-signature-nonce"),
    "no signature": lambda request: request.headers.pop("authorization"),
}


@pytest.fixture(scope="module")
def verifier(tmp_path_factory: pytest.TempPathFactory) -> Verifier:
    return Verifier(KEYRING, tmp_path_factory.mktemp("acs") / "nonces.sqlite")


def signed(query: dict[str, str], body: bytes) -> AcsRequest:
    request = DaraRequest()
    request.method, request.pathname, request.query = "POST", "/api/v1/jobs", query
    digest = hashlib.sha256(body).hexdigest()
    request.headers = {
        "host": "127.0.0.1:1",
        "x-acs-action": "CreateJob",
        "x-acs-date": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "x-acs-signature-nonce": secrets.token_hex(),
        "x-acs-content-sha256": digest,
        "user-agent": "  a  b ",
    }
    authorization = Utils.get_authorization(request, ALGORITHM, digest, "key-id", "key-secret")
    headers = {**request.headers, "authorization": authorization}
    return AcsRequest(request.method, request.pathname, dict(query), headers, body)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(query=QUERIES, body=st.binary(max_size=64), change=st.sampled_from(sorted(CHANGES)))
def test_a_signed_request_is_taken_once_and_a_changed_one_never(
    verifier: Verifier, query: dict[str, str], body: bytes, change: str
) -> None:
    changed = signed(query, body)
    CHANGES[change](changed)
    with pytest.raises(AcsError) as caught:
        verifier.authenticate(changed)
    assert caught.value.code in {"SignatureDoesNotMatch", "IncompleteSignature"}
    request = signed(query, body)
    assert verifier.authenticate(request) == "key-id"
    with pytest.raises(AcsError) as caught:
        verifier.authenticate(request)
    assert caught.value.code == "SignatureNonceUsed"


def test_nonces_are_remembered_over_a_restart(tmp_path: Path) -> None:
    request = signed({}, b"")
    Verifier(KEYRING, tmp_path / "nonces.sqlite").authenticate(request)
    with pytest.raises(AcsError) as caught:
        Verifier(KEYRING, tmp_path / "nonces.sqlite").authenticate(request)
    assert caught.value.code == "SignatureNonceUsed"
