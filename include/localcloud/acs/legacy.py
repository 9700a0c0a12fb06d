"""The older signatures, HMAC-SHA1, that the vendor's SDKs still make with ``signature_algorithm="v2"``.

RPC: everything is in the query, and of a form in the body. ROA: ``Authorization: acs {key id}:{signature}``; the body
is covered only where the client sends Content-MD5.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import quote

from localcloud.acs.errors import AcsError
from localcloud.acs.request import AcsRequest

_METHOD, _VERSION = "HMAC-SHA1", "1.0"


@dataclass(frozen=True, slots=True)
class Claim:
    """Who says to have signed, when (seconds since the epoch), and over which text. ``suffix`` goes behind the key."""

    access_key_id: str
    token: str | None
    nonce: str
    moment: float
    signature: str
    text: str
    suffix: str = ""

    def is_signed_with(self, secret: str) -> bool:
        """Whether the signature is the one that this secret makes."""
        digest = hmac.new((secret + self.suffix).encode(), self.text.encode(), hashlib.sha1).digest()
        return hmac.compare_digest(base64.b64encode(digest), self.signature.encode())


def legacy_claim(request: AcsRequest) -> Claim | None:
    """The claim of a request with an older signature, None for another one; raises what is wrong with it."""
    authorization = request.headers.get("authorization", "")
    if authorization.startswith("acs "):
        return _roa(request, authorization)
    return _rpc(request) if "SignatureMethod" in request.query else None


def _rpc(request: AcsRequest) -> Claim:
    query = request.query
    names = ("AccessKeyId", "Signature", "SignatureNonce", "Timestamp")
    _check_present(query.get, names)
    _check_kind(query.get("SignatureMethod"), query.get("SignatureVersion"))
    signed = "&".join(
        f"{_encode(name)}={_encode(value)}" for name, value in sorted(query.items()) if name != "Signature"
    )
    key, signature, nonce, timestamp = (query[name] for name in names)
    moment = _moment(timestamp, lambda: datetime.strptime(timestamp, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC))
    text = f"{request.method}&%2F&{_encode(signed)}"
    return Claim(key, query.get("SecurityToken"), nonce, moment, signature, text, suffix="&")


def _roa(request: AcsRequest, authorization: str) -> Claim:
    headers = request.headers
    key, _, signature = authorization.removeprefix("acs ").partition(":")
    _check_present(headers.get, ("date", "x-acs-signature-nonce"))
    _check_kind(headers.get("x-acs-signature-method"), headers.get("x-acs-signature-version"))
    digest = headers.get("content-md5", "")
    if digest and digest != base64.b64encode(hashlib.md5(request.body, usedforsecurity=False).digest()).decode():
        raise AcsError(400, "SignatureDoesNotMatch", "The header Content-MD5 is not the body's MD5.")
    lines = [request.method, headers.get("accept", ""), digest, headers.get("content-type", ""), headers["date"]]
    lines += [f"{name}:{value}" for name, value in sorted(headers.items()) if name.startswith("x-acs-")]
    query = "&".join(f"{name}={value}" if value else name for name, value in sorted(request.query.items()))
    text = "\n".join([*lines, f"{request.raw_path}{'?' if query else ''}{query}"])
    moment = _moment(headers["date"], lambda: parsedate_to_datetime(headers["date"]))
    return Claim(key, headers.get("x-acs-security-token"), headers["x-acs-signature-nonce"], moment, signature, text)


def _check_present(find: Callable[[str], str | None], names: tuple[str, ...]) -> None:
    for name in names:
        if not find(name):
            raise AcsError(400, "IncompleteSignature", f"{name} must be sent and signed.")


def _check_kind(method: str | None, version: str | None) -> None:
    if (method, version) != (_METHOD, _VERSION):
        raise AcsError(
            400, "InvalidSignatureMethod", f"The signature is {method} {version}; {_METHOD} {_VERSION} is known."
        )


def _moment(text: str, read: Callable[[], datetime]) -> float:
    try:
        return read().timestamp()
    except ValueError:
        raise AcsError(400, "InvalidTimeStamp.Format", f"The time {text!r} is not well formatted.") from None


def _encode(text: str) -> str:
    return quote(text, safe="~")
