"""What every client of an ACS service does when things go wrong, seen through one of them."""

from __future__ import annotations

import socket

import pytest
import stamina
from pydantic import SecretStr

from searchloom.cloud.acs import Connection, address
from searchloom.cloud.pai_dlc import PaiDlc
from searchloom.errors import (
    ServiceConflict,
    ServiceError,
    ServiceNotFound,
    ServiceRefused,
    ServiceUnavailable,
    UsageError,
)
from searchloom.settings import Acs
from tests.cloud.recording import Answer, Recorder

ONE_CALL, FIVE_CALLS = 1, 5


def refused(status: int, code: str, **headers: str) -> Answer:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status, {"RequestId": "R-1", "Code": code, "Message": "the reason.\nMore"}, names)


@pytest.fixture
def dlc(acs: Acs) -> PaiDlc:
    return PaiDlc(acs, workspace_id="12345")


@pytest.mark.parametrize(
    ("answer", "expected", "calls"),
    [
        (refused(400, "InvalidParameter"), ServiceRefused, ONE_CALL),
        (refused(403, "Forbidden.RAM"), ServiceRefused, ONE_CALL),
        (refused(403, "InvalidSecurityToken.Expired"), ServiceRefused, ONE_CALL),
        (refused(400, "QuotaExceeded"), ServiceRefused, ONE_CALL),
        (refused(404, "JobNotExist"), ServiceNotFound, ONE_CALL),
        (refused(400, "Job.NotFound"), ServiceNotFound, ONE_CALL),
        (refused(409, "Busy"), ServiceConflict, ONE_CALL),
        (refused(429, "Throttling.User", x_acs_retry_after="20"), ServiceUnavailable, FIVE_CALLS),
        (refused(400, "Throttling.User"), ServiceUnavailable, FIVE_CALLS),
        (refused(500, "InternalError"), ServiceUnavailable, FIVE_CALLS),
        (refused(503, "ServiceUnavailable"), ServiceUnavailable, FIVE_CALLS),
    ],
)
def test_answers_become_our_errors(
    dlc: PaiDlc, server: Recorder, answer: Answer, expected: type[ServiceError], calls: int
) -> None:
    server.will(answer)
    with pytest.raises(expected) as caught:
        dlc.get(job_id="dlc-1")
    error = caught.value
    assert (error.code, error.request_id, error.endpoint) == (answer.body["Code"], "R-1", server.url)
    assert "job 'dlc-1'" in str(error)
    assert "\n" not in str(error)
    assert len(server.requests) == calls


@pytest.mark.parametrize(
    "answer",
    [
        Answer(502, b"<html>bad gateway</html>", {"Content-Type": "text/html"}),
        Answer(500, b"[]"),
        Answer(200, b'{"JobId": "dl'),
        Answer(200, b'{"JobId": "dlc-1"}', cut=True),
    ],
    ids=["html", "no object", "half a document", "cut connection"],
)
def test_an_answer_that_is_none_is_unavailable(dlc: PaiDlc, server: Recorder, answer: Answer) -> None:
    server.will(answer)
    with pytest.raises(ServiceUnavailable, match="job 'dlc-1'"):
        dlc.get(job_id="dlc-1")
    assert len(server.requests) == FIVE_CALLS


def test_nothing_more_is_heard_of_trouble_that_a_repeat_heals(dlc: PaiDlc, server: Recorder) -> None:
    server.will(refused(503, "ServiceUnavailable"), Answer(200, b"{", cut=True), Answer(body={"JobId": "dlc-1"}))
    assert dlc.get(job_id="dlc-1").job_id == "dlc-1"


def test_a_slow_answer_runs_into_the_time_limit(acs: Acs, server: Recorder) -> None:
    dlc = PaiDlc(acs.model_copy(update={"read_timeout_s": 0.05}), workspace_id="12345")
    server.will(Answer(delay_s=0.3))
    with pytest.raises(ServiceUnavailable, match="cannot be reached"):
        dlc.get(job_id="dlc-1")


def test_nobody_listens(acs: Acs) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, not listening
        endpoint = f"http://127.0.0.1:{taken.getsockname()[1]}"
        dlc = PaiDlc(acs.model_copy(update={"endpoint": endpoint}), workspace_id="12345")
        with pytest.raises(ServiceUnavailable, match="cannot be reached") as caught:
            dlc.get(job_id="dlc-1")
    assert caught.value.endpoint == endpoint


def test_the_wait_that_the_service_asks_for_is_kept(dlc: PaiDlc, server: Recorder) -> None:
    waits: list[float] = []
    usual = stamina.instrumentation.get_on_retry_hooks()
    stamina.instrumentation.set_on_retry_hooks([lambda details: waits.append(details.wait_for)])
    try:
        with stamina.set_testing(False):
            server.will(refused(429, "Throttling.User", x_acs_retry_after="40"), Answer(body={"JobId": "dlc-1"}))
            dlc.get(job_id="dlc-1")
    finally:
        stamina.instrumentation.set_on_retry_hooks(usual)
    assert len(waits) == 1
    assert 0.04 <= waits[0] <= 0.05


def test_a_wait_of_minutes_is_left_to_the_caller(dlc: PaiDlc, server: Recorder) -> None:
    server.will(refused(429, "Throttling.User", x_acs_retry_after="600000"))
    with pytest.raises(ServiceUnavailable) as caught:
        dlc.get(job_id="dlc-1")
    assert caught.value.retry_after_s == 600
    assert len(server.requests) == ONE_CALL


def test_temporary_keys_send_and_sign_their_token(acs: Acs, server: Recorder) -> None:
    settings = acs.model_copy(update={"security_token": SecretStr("a-token")})
    PaiDlc(settings, workspace_id="12345").get(job_id="dlc-1")
    assert server.only.headers["x-acs-security-token"] == "a-token"
    assert server.only.headers["x-acs-accesskey-id"] == "an-access-key"
    assert {"x-acs-security-token", "x-acs-accesskey-id"} <= set(server.only.signed_headers)


def test_addresses() -> None:
    cloud = Acs(endpoint="", region="cn-beijing", endpoints={"sts": "https://sts.example.org/"})
    assert address(cloud, "pai_dlc") == "https://pai-dlc.cn-beijing.aliyuncs.com"
    assert address(cloud, "sts") == "https://sts.example.org"
    with pytest.raises(UsageError, match="leave out any path"):
        address(Acs(endpoint="http://127.0.0.1:1/pai"), "airec")


def test_no_secret_is_in_what_prints(acs: Acs, server: Recorder, caplog: pytest.LogCaptureFixture) -> None:
    server.will(refused(403, "Forbidden.RAM"))
    with caplog.at_level("DEBUG"), pytest.raises(ServiceRefused) as caught:
        PaiDlc(acs, workspace_id="12345").get(job_id="dlc-1")
    connection = Connection(acs, "pai_dlc")
    for text in (repr(acs), str(caught.value), caplog.text, repr(connection), repr(connection.credentials)):
        assert "a-secret" not in text
