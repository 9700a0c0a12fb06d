"""Who asks: a signed JWT, checked against the keys of the identity provider (JWKS), and the rights it carries."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import jwt

from searchloom.engines.interface import Access
from searchloom.errors import ServiceUnavailable, Terminal, UsageError
from searchloom.settings import Query

log = logging.getLogger(__name__)

ALGORITHMS = ["RS256", "ES256"]
LEEWAY_S = 10
"""How far the clocks of the identity provider and of this machine may be apart."""
_TRUSTED_S = 30.0  # a token that has been checked; a key that is withdrawn meanwhile counts for so much longer
_TOKENS = 4096
_KEEP_S = 600.0  # keys are read again after this long
_PAUSE_S = 10.0  # and after this long for a key id that is not known: callers cannot make us hammer the provider


class Unauthorized(Terminal):
    """The token is missing or does not hold."""


@dataclass(frozen=True, slots=True)
class Caller:
    """The user behind a request, and what they may see."""

    user: str
    access: Access
    roles: frozenset[str] = frozenset()


class Forbidden(Terminal):
    """The caller is known, and may not do this."""


ADMIN = "admin"
"""The role that the paths below ``/v1/admin`` ask for."""


class Keys:
    """The public keys of the identity provider, from a URL or a file; the last known ones stay when it is down."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._keys: dict[str, jwt.PyJWK] = {}
        self._read_at = float("-inf")
        self._lock = threading.Lock()

    def get(self, kid: str) -> jwt.PyJWK:
        """Return the key with this id; ``Unauthorized`` where there is none. May read the source: it blocks."""
        with self._lock:
            age = time.monotonic() - self._read_at
            if age > _KEEP_S or (kid not in self._keys and age > _PAUSE_S):
                self._refresh()
            if kid not in self._keys:
                raise Unauthorized("the token was signed with a key that is not known here; sign in again")
            return self._keys[kid]

    def known(self, kid: str) -> jwt.PyJWK | None:
        """Return a key that is at hand and fresh, without reading anything."""
        return self._keys.get(kid) if time.monotonic() - self._read_at <= _KEEP_S else None

    def _refresh(self) -> None:
        self._read_at = time.monotonic()
        try:
            key_set = jwt.PyJWKSet.from_dict(_load(self._source))
        except (OSError, httpx.HTTPError, ValueError, jwt.PyJWTError) as error:
            if not self._keys:
                self._read_at = float("-inf")
                raise ServiceUnavailable(f"the signing keys cannot be read from {self._source}: {error}") from error
            log.warning("the signing keys cannot be read from %s (%s); the known ones stay", self._source, error)
            return
        self._keys = {key.key_id: key for key in key_set.keys if key.key_id and key.algorithm_name in ALGORITHMS}
        log.info("read %d signing keys from %s", len(self._keys), self._source)


def _load(source: str) -> dict[str, Any]:
    if source.startswith(("http://", "https://")):
        answer = httpx.get(source, timeout=5.0)
        answer.raise_for_status()
        document = answer.json()
    else:
        document = json.loads(Path(source).read_text(encoding="utf-8"))
    if not isinstance(document, dict):
        raise ValueError("it holds no JSON object")  # noqa: TRY004  bad content, not a wrong type in the program
    return document


class Authenticator:
    """Checks tokens: algorithm, key, issuer, audience, and the times."""

    def __init__(self, settings: Query, source: str) -> None:
        self._checked: OrderedDict[bytes, tuple[float, Caller]] = OrderedDict()
        if not source:
            raise UsageError(
                "setting query.jwks is empty; name the URL or file of the keys that tokens are signed with"
            )
        self._settings = settings
        self._keys = Keys(source)

    def needs_keys(self, token: str) -> bool:
        """Whether checking this token would read the key source, which blocks."""
        return self._remembered(token) is None and self._keys.known(_kid(token)) is None

    def check(self, token: str) -> Caller:
        """Return the caller; ``Unauthorized`` with one sentence that says why not."""
        if caller := self._remembered(token):
            return caller
        key = self._keys.get(_kid(token))
        try:
            claims = jwt.decode(
                token,
                key,
                algorithms=ALGORITHMS,
                audience=self._settings.audience,
                issuer=self._settings.issuer,
                leeway=LEEWAY_S,
                options={"require": ["exp", "iss", "aud", "sub"]},
            )
        except jwt.ExpiredSignatureError as error:
            raise Unauthorized("the token has expired; sign in again") from error
        except jwt.ImmatureSignatureError as error:
            raise Unauthorized("the token is not valid yet; check the clocks") from error
        except jwt.InvalidAudienceError as error:
            raise Unauthorized(f"the token is for another audience than {self._settings.audience!r}") from error
        except jwt.InvalidIssuerError as error:
            raise Unauthorized(f"the token was issued by another than {self._settings.issuer!r}") from error
        except jwt.PyJWTError as error:
            raise Unauthorized(f"the token does not hold: {error}") from error
        return self._remember(token, _caller(claims), until=claims["exp"])

    def _remembered(self, token: str) -> Caller | None:
        """Return whom this very token was found to be of a short time ago: checking one costs a millisecond."""
        until, caller = self._checked.get(sha256(token.encode()).digest(), (0.0, None))
        return caller if time.time() < until else None

    def _remember(self, token: str, caller: Caller, *, until: float) -> Caller:
        self._checked[sha256(token.encode()).digest()] = (min(until, time.time() + _TRUSTED_S), caller)
        if len(self._checked) > _TOKENS:
            self._checked.popitem(last=False)
        return caller


def _kid(token: str) -> str:
    try:
        header = jwt.get_unverified_header(token)
    except jwt.PyJWTError as error:
        raise Unauthorized(f"the token cannot be read: {error}") from error
    if header.get("alg") not in ALGORITHMS:
        raise Unauthorized(
            f"tokens signed with {header.get('alg')!r} are not taken; sign with {' or '.join(ALGORITHMS)}"
        )
    kid = header.get("kid")
    if not isinstance(kid, str) or not kid:
        raise Unauthorized("the token does not name its key; its header must carry a kid")
    return kid


def _caller(claims: dict[str, Any]) -> Caller:
    tenant, groups, roles = claims.get("tenant"), claims.get("groups", []), claims.get("roles", [])
    if not claims["sub"]:
        raise Unauthorized("the token names no user; its claim sub must not be empty")
    if not isinstance(tenant, str) or not tenant:
        raise Unauthorized("the token names no tenant; its claim tenant must be a name")
    for name, listed in (("groups", groups), ("roles", roles)):
        if not isinstance(listed, list) or not all(isinstance(one, str) and one for one in listed):
            raise Unauthorized(f"the token's claim {name} must be a list of names")
    return Caller(claims["sub"], Access(tenant, tuple(groups)), frozenset(roles))
