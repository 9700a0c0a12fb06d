"""When a call to a service is made again: bounded, jittered, and after as long a wait as the service asks for."""

from __future__ import annotations

import logging
import random

import stamina
from stamina.instrumentation import RetryDetails

from searchloom.errors import ServiceUnavailable, Transient

log = logging.getLogger(__name__)

LONGEST_WAIT_S = 30.0
"""A service that asks for a longer wait is not waited for here: the caller's own retry (Airflow's) comes later."""


def _wait(error: Exception) -> bool | float:
    asked = error.retry_after_s if isinstance(error, ServiceUnavailable) else None
    if asked is None:
        return True
    return asked * random.uniform(1.0, 1.1) if asked <= LONGEST_WAIT_S else False  # noqa: S311  jitter, no secret


def _when_transient(error: Exception) -> bool | float:
    return _wait(error) if isinstance(error, Transient) else False


def _when_throttled(error: Exception) -> bool | float:
    return _wait(error) if isinstance(error, ServiceUnavailable) and error.throttled else False


repeatable = stamina.retry(on=_when_transient, attempts=5, timeout=60)
"""For calls that may run twice: reads, and writes that lead to the same state."""

unrepeatable = stamina.retry(on=_when_throttled, attempts=5, timeout=60)
"""For calls that must not run twice: only a throttled one, which the service did not carry out, is made again."""


def _log(details: RetryDetails) -> None:
    # stamina's own hook would log the arguments too: whole documents, and what they hold of secrets.
    log.warning("%s is called again in %.1f s: %s", details.name, details.wait_for, details.caused_by)


stamina.instrumentation.set_on_retry_hooks([_log])
