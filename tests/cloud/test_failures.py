from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from searchloom.cloud.failures import failure
from searchloom.errors import ServiceUnavailable, Terminal, Transient

codes = st.from_regex(r"[A-Za-z][A-Za-z0-9_.]{0,40}", fullmatch=True) | st.just("")


@given(status=st.integers(400, 599), code=codes, message=st.text(max_size=200))
def test_every_answer_is_one_sentence_and_either_helped_by_a_repeat_or_not(
    status: int, code: str, message: str
) -> None:
    error = failure(
        service="PAI-DLC",
        what="job 'x'",
        status=status,
        code=code,
        message=message,
        request_id="R-1",
        endpoint="http://e",
    )
    text = str(error)
    assert len(text.splitlines()) == 1
    assert isinstance(error, Terminal) != isinstance(error, Transient)
    assert all(part in text for part in ("PAI-DLC", "job 'x'", code, "RequestId R-1", "at http://e"))
    if status >= 500:
        assert isinstance(error, Transient)
    if isinstance(error, ServiceUnavailable) and error.throttled:
        assert status in {429, 450} or code.startswith(("Throttling", "LimitRequests", "rate_limit"))
