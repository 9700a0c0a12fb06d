"""How much a user and a tenant may ask for: requests a minute, tokens and seconds of the language model an hour.

The counters live in the process, or, for all processes together, in what ``settings.limits.storage`` names. Where that
cannot be reached nobody is refused: a limit protects the service, it must not stop it.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from limits import RateLimitItem, RateLimitItemPerHour, RateLimitItemPerMinute
from limits.aio.strategies import FixedWindowRateLimiter, SlidingWindowCounterRateLimiter
from limits.errors import ConfigurationError, StorageError
from limits.storage import storage_from_string

from searchloom.errors import Transient, UsageError
from searchloom.query.auth import Caller
from searchloom.settings import Limits as LimitSettings

log = logging.getLogger(__name__)


class TooMany(Transient):
    """More than this caller may have, or this process can do; ``retry_after_s`` says when to come again."""

    def __init__(self, message: str, *, retry_after_s: float) -> None:
        self.retry_after_s = retry_after_s
        super().__init__(message)


class Limits:
    """The counters of one process, or of all that share a storage."""

    def __init__(self, settings: LimitSettings) -> None:
        """Connect the counters; ``UsageError`` for a storage that cannot be used from here."""
        try:
            storage = storage_from_string(f"async+{settings.storage}", wrap_exceptions=True)
        except ConfigurationError as error:
            said = str(error).rstrip(".")
            raise UsageError(f"setting limits.storage = {settings.storage!r} cannot be used: {said}") from error
        self._rates = SlidingWindowCounterRateLimiter(storage)
        self._budgets = FixedWindowRateLimiter(storage)
        self._settings = settings
        self._user = RateLimitItemPerMinute(settings.user_per_minute or 1, namespace="user")
        self._tenant = RateLimitItemPerMinute(settings.tenant_per_minute or 1, namespace="tenant")
        self._tokens = RateLimitItemPerHour(settings.user_tokens_per_hour or 1, namespace="tokens")
        self._seconds = RateLimitItemPerHour(settings.user_model_s_per_hour or 1, namespace="seconds")

    async def admit(self, caller: Caller) -> None:
        """Count a request; raises ``TooMany`` for a user or a tenant that sends them too fast."""
        tenant = caller.access.tenant
        try:
            if self._settings.user_per_minute and not await self._rates.hit(self._user, tenant, caller.user):
                raise await self._too_fast(self._user, "you send", tenant, caller.user)
            if self._settings.tenant_per_minute and not await self._rates.hit(self._tenant, tenant):
                raise await self._too_fast(self._tenant, "your organisation sends", tenant)
        except StorageError as error:
            log.warning("nobody is counted, for the storage of the limits does not answer: %s", error)

    async def afford(self, caller: Caller) -> None:
        """Raise ``TooMany`` where the user's tokens or seconds of the language model are used up for this hour."""
        if await self._used_up(self._tokens, self._settings.user_tokens_per_hour, caller):
            raise await self._spent(self._tokens, caller, f"{self._settings.user_tokens_per_hour:,} tokens")
        if await self._used_up(self._seconds, self._settings.user_model_s_per_hour, caller):
            raise await self._spent(self._seconds, caller, f"{self._settings.user_model_s_per_hour:,} seconds")

    async def spend(self, caller: Caller, *, tokens: int, seconds: float) -> None:
        """Take from the user's budget what an answer has cost; what it costs is known only afterwards."""
        try:
            if self._settings.user_tokens_per_hour and tokens:
                await self._budgets.hit(self._tokens, caller.access.tenant, caller.user, cost=tokens)
            if self._settings.user_model_s_per_hour and (whole := round(seconds)):
                await self._budgets.hit(self._seconds, caller.access.tenant, caller.user, cost=whole)
        except StorageError as error:
            log.warning("%d tokens were not counted, for the storage of the limits does not answer: %s", tokens, error)

    async def _used_up(self, budget: RateLimitItem, amount: int, caller: Caller) -> bool:
        if not amount:
            return False
        try:
            return not await self._budgets.test(budget, caller.access.tenant, caller.user)
        except StorageError as error:
            log.warning("a budget is not looked at, for the storage of the limits does not answer: %s", error)
            return False

    async def _too_fast(self, item: RateLimitItem, who: str, *whose: str) -> TooMany:
        stats = await self._rates.get_window_stats(item, *whose)
        sentence = f"{who} more than {item.amount:,} requests a minute; send fewer"
        return TooMany(sentence, retry_after_s=_until(stats.reset_time))

    async def _spent(self, item: RateLimitItem, caller: Caller, amount: str) -> TooMany:
        stats = await self._budgets.get_window_stats(item, caller.access.tenant, caller.user)
        sentence = f"your {amount} of the language model for this hour are used up; search goes on without it"
        return TooMany(sentence, retry_after_s=_until(stats.reset_time))


class Turnstile:
    """At most so many at once, and so many of one user; nobody waits, who comes too late is refused at once."""

    def __init__(self, what: str, *, at_once: int, of_one_user: int) -> None:
        self._what = what
        self._at_once = at_once
        self._of_one_user = of_one_user
        self._inside: Counter[tuple[str, str]] = Counter()

    @property
    def inside(self) -> int:
        """How many are inside now."""
        return self._inside.total()

    @contextmanager
    def enter(self, caller: Caller) -> Iterator[None]:
        """Hold a place while the block runs; raises ``TooMany`` where there is none."""
        who = (caller.access.tenant, caller.user)
        if self._inside[who] >= self._of_one_user:
            raise TooMany(f"you have {self._of_one_user} {self._what} under way; wait for one to end", retry_after_s=1)
        if self.inside >= self._at_once:
            raise TooMany(f"{self._at_once} {self._what} are under way; try again in a moment", retry_after_s=2)
        self._inside[who] += 1
        try:
            yield
        finally:
            self._inside[who] -= 1
            if not self._inside[who]:
                del self._inside[who]


def _until(moment: float) -> float:
    return max(1.0, moment - time.time())
