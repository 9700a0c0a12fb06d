"""What can go wrong, as classes: the class of an error is its retry policy.

``Terminal`` errors are never retried: the same call would fail the same way. ``Transient`` errors may be retried,
bounded and with jitter. Every message is one sentence for the reader: the bad value, then the remedy.
"""

from __future__ import annotations


class SearchloomError(Exception):
    """Root of every error that Searchloom raises on purpose; its text is one sentence that a user can act on."""


class Terminal(SearchloomError):
    """Trying again cannot help: bad input, a missing object, a refused signature, a broken invariant."""


class Transient(SearchloomError):
    """Trying again may help: a throttled, overloaded or unreachable service."""


class UsageError(Terminal):
    """The call itself is wrong (command line: exit 2; HTTP: 4xx)."""


class NotFound(Terminal):
    """The named thing does not exist."""


class Conflict(Terminal):
    """Somebody else holds or has changed the thing; starting over from a fresh read is the caller's decision."""


class ServiceError(SearchloomError):
    """Mixed into what a remote service answered: its code, its words and its request id travel along.

    ``str()`` is one sentence; ``code``, ``request_id`` and ``endpoint`` are there for logs and support.
    """

    def __init__(self, message: str, *, code: str = "", request_id: str = "", endpoint: str = "") -> None:
        """Keep the parts apart so that logs can show them as fields."""
        self.code = code
        self.request_id = request_id
        self.endpoint = endpoint
        details = ", ".join(
            f"{name} {value}" for name, value in (("code", code), ("RequestId", request_id), ("at", endpoint)) if value
        )
        super().__init__(f"{message} ({details})" if details else message)


class ServiceRefused(ServiceError, Terminal):
    """The service understood the call and said no (4xx)."""


class ServiceNotFound(ServiceError, NotFound):
    """The service has no such object, index or job (404)."""


class ServiceConflict(ServiceError, Conflict):
    """The service holds another version, or the object exists already (409, forbid-overwrite)."""


class ServiceUnavailable(ServiceError, Transient):
    """The service is throttling, overloaded, restarting or unreachable (429, 5xx, no connection).

    ``throttled``: it refused before it did anything, so that even a call that must not run twice may be repeated.
    ``retry_after_s``: how many seconds the service asks to wait; None where it does not say.
    """

    def __init__(
        self,
        message: str,
        *,
        code: str = "",
        request_id: str = "",
        endpoint: str = "",
        throttled: bool = False,
        retry_after_s: float | None = None,
    ) -> None:
        self.throttled = throttled
        self.retry_after_s = retry_after_s
        super().__init__(message, code=code, request_id=request_id, endpoint=endpoint)
