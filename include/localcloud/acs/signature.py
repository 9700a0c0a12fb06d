"""The check of signatures (ACS3-HMAC-SHA256 and the older ones), of API keys, dates and nonces."""

from __future__ import annotations

import hashlib
import hmac
import re
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

from localcloud.acs.errors import AcsError
from localcloud.acs.legacy import Claim, legacy_claim
from localcloud.acs.request import AcsRequest
from localcloud.credentials import ExpiredSecurityToken, InvalidSecurityToken, Keyring, UnknownAccessKey
from localcloud.database import Database

ALGORITHM = "ACS3-HMAC-SHA256"
MAX_SKEW_S = 15 * 60
_BEARER = "Bearer "
_AUTHORIZATION = re.compile(
    rf"{ALGORITHM} Credential=([^,\s]+),\s*SignedHeaders=([^,\s]+),\s*Signature=([0-9a-f]{{64}})"
)
_SCHEMA = """
CREATE TABLE IF NOT EXISTS nonces (access_key_id TEXT, nonce TEXT, until INTEGER NOT NULL,
    PRIMARY KEY (access_key_id, nonce)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS nonces_by_age ON nonces (until);
"""


@dataclass(frozen=True, slots=True)
class _Authorization:
    access_key_id: str
    signed_headers: tuple[str, ...]
    signature: str


class Verifier:
    """Says whose request it is. Nonces are remembered on disk, so that a restart opens no door to a replay."""

    def __init__(self, keyring: Keyring, nonces: Path) -> None:
        self._keyring = keyring
        self._nonces = Database(nonces, _SCHEMA)

    def authenticate(self, request: AcsRequest) -> str:
        """The access key id that signed the request; raises the documented refusal as ``AcsError``."""
        claim = legacy_claim(request)
        if claim is not None:
            self._check_legacy(claim)
            return claim.access_key_id
        if is_bearer(request):
            self._check_bearer(request)
            return self._keyring.access_key_id
        authorization = _authorization_of(request)
        moment = _moment_of(request)
        _check_age(moment)
        secret = self._secret(authorization.access_key_id, request.headers.get("x-acs-security-token"))
        if hashlib.sha256(request.body).hexdigest() != request.headers.get("x-acs-content-sha256"):
            raise AcsError(400, "SignatureDoesNotMatch", "The header x-acs-content-sha256 is not the body's SHA-256.")
        text = string_to_sign(request, authorization.signed_headers)
        expected = hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()
        if not hmac.compare_digest(expected, authorization.signature):
            raise _mismatch(text)
        self._use_nonce(authorization.access_key_id, request.headers.get("x-acs-signature-nonce", ""), moment)
        return authorization.access_key_id

    def _check_legacy(self, claim: Claim) -> None:
        _check_age(claim.moment)
        if not claim.is_signed_with(self._secret(claim.access_key_id, claim.token)):
            raise _mismatch(claim.text)
        self._use_nonce(claim.access_key_id, claim.nonce, claim.moment)

    def _check_bearer(self, request: AcsRequest) -> None:
        key = _bearer_of(request)
        if not hmac.compare_digest(key.encode(), self._keyring.api_key.encode()):
            raise AcsError(401, "InvalidApiKey", "The API key is not valid.")

    def _secret(self, access_key_id: str, token: str | None) -> str:
        try:
            return self._keyring.secret_of(access_key_id, token)
        except UnknownAccessKey:
            raise AcsError(404, "InvalidAccessKeyId.NotFound", "Specified access key is not found.") from None
        except ExpiredSecurityToken:
            raise AcsError(400, "InvalidSecurityToken.Expired", "Specified SecurityToken is expired.") from None
        except InvalidSecurityToken:
            raise AcsError(400, "InvalidSecurityToken.Malformed", "Specified SecurityToken is malformed.") from None

    def _use_nonce(self, access_key_id: str, nonce: str, moment: float) -> None:
        with self._nonces.transaction() as connection:
            # A nonce is of use to a replay only as long as its request's date is accepted.
            connection.execute("DELETE FROM nonces WHERE until < ?", (int(time.time()),))
            fresh = connection.execute(
                "INSERT OR IGNORE INTO nonces VALUES (?, ?, ?)", (access_key_id, nonce, int(moment) + MAX_SKEW_S + 1)
            )
            if not fresh.rowcount:
                raise AcsError(400, "SignatureNonceUsed", "Specified signature nonce was used already.")


def _authorization_of(request: AcsRequest) -> _Authorization:
    match = _AUTHORIZATION.fullmatch(request.headers.get("authorization", ""))
    if match is None:
        raise AcsError(
            400, "IncompleteSignature", f"The header Authorization is missing or not an {ALGORITHM} signature."
        )
    signed = tuple(match[2].split(";"))
    must = {"host", "x-acs-date", "x-acs-signature-nonce", "x-acs-content-sha256"}
    must |= {name for name in request.headers if name.startswith("x-acs-")}
    for name in sorted(must):
        if name not in signed or not request.headers.get(name):
            raise AcsError(400, "IncompleteSignature", f"The header {name} must be sent and signed.")
    return _Authorization(match[1], signed, match[3])


def is_bearer(request: AcsRequest) -> bool:
    """Whether an API key stands in for a signature."""
    return bool(_bearer_of(request))


def _bearer_of(request: AcsRequest) -> str:
    authorization = request.headers.get("authorization", "")
    if authorization.startswith(_BEARER):
        return authorization.removeprefix(_BEARER).strip()
    # What the vendor's SDKs send of a bearer token by themselves.
    return "" if authorization else request.headers.get("x-acs-bearer-token", "")


def _mismatch(text: str) -> AcsError:
    return AcsError(
        400,
        "SignatureDoesNotMatch",
        f"Specified signature does not match our calculation; the server's string to sign is {text!r}.",
    )


def _moment_of(request: AcsRequest) -> float:
    try:
        return datetime.strptime(request.headers["x-acs-date"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC).timestamp()
    except ValueError:
        raise AcsError(
            400, "InvalidTimeStamp.Format", "Specified time stamp or date value is not well formatted."
        ) from None


def _check_age(moment: float) -> None:
    if abs(moment - time.time()) > MAX_SKEW_S:
        raise AcsError(400, "InvalidTimeStamp.Expired", "Specified time stamp or date value is expired.")


def string_to_sign(request: AcsRequest, signed_headers: tuple[str, ...]) -> str:
    """What the client must have signed: the algorithm, and the hash of the request in its canonical form."""
    query = "&".join(f"{_encode(name)}={_encode(value)}" for name, value in sorted(request.query.items()))
    headers = "".join(f"{name}:{_signed_value(request, name)}\n" for name in signed_headers)
    canonical = "\n".join(
        [
            request.method,
            request.raw_path or "/",
            query,
            headers,
            ";".join(signed_headers),
            request.headers["x-acs-content-sha256"],
        ]
    )
    return f"{ALGORITHM}\n{hashlib.sha256(canonical.encode()).hexdigest()}"


def _encode(text: str) -> str:
    return quote(text, safe="~")


def _signed_value(request: AcsRequest, name: str) -> str:
    # Clients sign the text they were given; on the wire it is Latin-1 or, beyond that, UTF-8.
    value = request.headers.get(name, "").strip()
    try:
        return value.encode("latin-1").decode()
    except UnicodeDecodeError:
        return value
