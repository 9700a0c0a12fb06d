"""Who may ask: the one access key of the local cloud, temporary ones and an API key derived from it.

A temporary credential needs no memory: its secret and token are computed from its id, its expiry and the main secret,
so that it outlives a restart and any service of the process can check it.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class TemporaryCredential:
    """What an STS answer carries; ``expires`` in seconds since the epoch."""

    access_key_id: str
    access_key_secret: str
    security_token: str
    expires: int


class UnknownAccessKey(Exception):
    """Nobody has this access key id."""


class InvalidSecurityToken(Exception):
    """The token is missing, forged, expired, or not the one of the access key id."""


class ExpiredSecurityToken(InvalidSecurityToken):
    """The token was good once."""


@dataclass(frozen=True, slots=True)
class Keyring:
    """The main access key, DashScope's API key, and the check of temporary access keys."""

    access_key_id: str
    access_key_secret: str = field(repr=False)
    given_api_key: str = field(default="", repr=False)

    @property
    def api_key(self) -> str:
        """The API key that was given, else one that is computed from the main secret."""
        secret = self.access_key_secret.encode()
        return self.given_api_key or f"sk-{hmac.new(secret, b'api key', hashlib.sha256).hexdigest()[:32]}"

    def issue(self, duration_s: int) -> TemporaryCredential:
        """Make a temporary credential that is good for ``duration_s`` seconds."""
        return self._temporary(f"STS.{secrets.token_hex(12)}", int(time.time()) + duration_s)

    def secret_of(self, access_key_id: str, security_token: str | None) -> str:
        """The secret to check a signature with; raises ``UnknownAccessKey`` and ``InvalidSecurityToken``."""
        if access_key_id == self.access_key_id:
            if security_token:
                raise InvalidSecurityToken(access_key_id)
            return self.access_key_secret
        if not access_key_id.startswith("STS."):
            raise UnknownAccessKey(access_key_id)
        expires = (security_token or "").partition("-")[0]
        if not expires.isdecimal() or len(expires) > 15:
            raise InvalidSecurityToken(access_key_id)
        expected = self._temporary(access_key_id, int(expires))
        if not hmac.compare_digest(expected.security_token.encode(), (security_token or "").encode()):
            raise InvalidSecurityToken(access_key_id)
        if expected.expires < time.time():
            raise ExpiredSecurityToken(access_key_id)
        return expected.access_key_secret

    def _temporary(self, access_key_id: str, expires: int) -> TemporaryCredential:
        def derive(purpose: str) -> str:
            message = f"{purpose}\n{access_key_id}\n{expires}".encode()
            return hmac.new(self.access_key_secret.encode(), message, hashlib.sha256).hexdigest()

        return TemporaryCredential(access_key_id, derive("secret"), f"{expires}-{derive('token')}", expires)
