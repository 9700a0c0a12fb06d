"""Who asked what, and whether they were let in: one JSON object a line, with pseudonyms for people.

A pseudonym is the HMAC of tenant and user under a key of our own: the same person has the same one as long as the key
stays, and who holds the log but not the key cannot tell who it is.
"""

from __future__ import annotations

import hmac
import json
import logging
import secrets
import time
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Literal

from pydantic import SecretStr

log = logging.getLogger(__name__)

Decision = Literal["allowed", "unauthenticated", "forbidden", "limited", "refused", "failed"]

_LENGTH = 16  # hexadecimal digits: 64 bits, enough to tell people apart
_CONTROLLED = "/v1/"
_BY_STATUS: Mapping[int, Decision] = {401: "unauthenticated", 403: "forbidden", 429: "limited"}


class Pseudonyms:
    """Turns the ids of people into names that only the holder of the key can trace."""

    def __init__(self, key: SecretStr) -> None:
        """Take the key; without one a random key is drawn, and names hold for this process alone."""
        self._key = key.get_secret_value().encode() or secrets.token_bytes(32)

    def of(self, tenant: str, user: str) -> str:
        """The pseudonym of a user of a tenant."""
        message = json.dumps([tenant, user]).encode()
        return hmac.new(self._key, message, sha256).hexdigest()[:_LENGTH]


def decision(status: int) -> Decision:
    """What an answer's status says about the caller's right to it."""
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    if status >= 500 or not status:
        return "failed"
    return "allowed" if status < 400 else "refused"


def note(path: str, status: int, request_id: str, facts: Mapping[str, Any]) -> None:
    """Write the line of one request to the API; what belongs to no one (the page, health checks) is passed over."""
    if not path.startswith(_CONTROLLED):
        return
    said = {name: facts[name] for name in ("user", "tenant", "corpus") if name in facts}
    line = {
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "event": "audit",
        "request_id": request_id,
        "action": path.removeprefix(_CONTROLLED),
        "decision": decision(status),
        "status": status,
        **said,
    }
    log.info(json.dumps(line, ensure_ascii=False))
