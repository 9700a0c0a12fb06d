"""Checks who signed a request: V1, V2 and V4, in headers or in the URL, with long-lived or STS credentials."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import time
from calendar import timegm
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_tz
from urllib.parse import quote

from localcloud.credentials import InvalidSecurityToken, Keyring, UnknownAccessKey
from localcloud.oss.errors import OssError, invalid_argument
from localcloud.oss.request import OssRequest

MAX_SKEW_S = 15 * 60
_MAX_URL_LIFE_S = 7 * 24 * 3600
_V4 = "OSS4-HMAC-SHA256"
_V2_HEADER = re.compile(r"OSS2 AccessKeyId:([^,]+),(?:AdditionalHeaders:([^,]*),)?Signature:(.+)")
_V4_HEADER = re.compile(_V4 + r"\s+(.*)", re.DOTALL)

# The query parameters that a V1 signature covers.
_V1_NAMES = """
    accessPoint accessPointPolicy acl append asyncFetch bucketArchiveDirectRead bucketInfo callback callback-var
    cloudboxes cname comp continuation-token cors delete encryption endTime group httpsConfig inventory inventoryId
    lifecycle link live location logging metaQuery objectInfo objectMeta partNumber policy position publicAccessBlock
    qos qosInfo qosRequester redundancyTransition referer regionList replication replicationLocation
    replicationProgress requestPayment requesterQosInfo resourceGroup resourcePool resourcePoolBuckets
    resourcePoolInfo response-cache-control response-content-disposition response-content-encoding
    response-content-language response-content-type response-expires restore security-token sequential startTime stat
    status style styleName symlink tagging transferAcceleration uploadId uploads versionId versioning versions vod
    website worm wormExtend wormId x-oss-ac-forward-allow x-oss-ac-source-ip x-oss-ac-subnet-mask x-oss-ac-vpc-id
    x-oss-access-point-name x-oss-async-process x-oss-process x-oss-redundancy-transition-taskid x-oss-request-payer
    x-oss-target-redundancy-type x-oss-traffic-limit x-oss-write-get-object-response
"""
_V1_SUBRESOURCES = frozenset(_V1_NAMES.split())


@dataclass(frozen=True, slots=True)
class Verifier:
    """Knows the credentials and the region that signatures must be made for."""

    keyring: Keyring
    region: str

    def authenticate(self, request: OssRequest) -> str | None:
        """The access key id that signed the request, None if nobody did; raises ``OssError`` for a bad signature."""
        authorization = request.headers.get("authorization")
        if authorization is not None:
            v4 = _V4_HEADER.fullmatch(authorization)
            if v4 is not None:
                return self._v4_header(request, v4[1])
            v2 = _V2_HEADER.fullmatch(authorization)
            return self._v1_header(request, authorization) if v2 is None else self._v2_header(request, v2)
        if request.query.get("x-oss-signature-version") == _V4:
            return self._v4_url(request)
        if request.query.get("x-oss-signature-version") == "OSS2":
            return self._v2_url(request)
        if "Signature" in request.query or "OSSAccessKeyId" in request.query:
            return self._v1_url(request)
        return None

    def _v1_header(self, request: OssRequest, authorization: str) -> str:
        scheme, _, credential = authorization.partition(" ")
        access_key_id, _, signature = credential.strip().partition(":")
        if scheme != "OSS" or not access_key_id or not signature:
            raise invalid_argument("Authorization header is invalid.", "Authorization", authorization)
        secret = self._secret(access_key_id, _token(request))
        date = request.headers.get("x-oss-date") or request.headers.get("date", "")
        _check_skew(_parse_date(date))
        self._check_v1(request, access_key_id, secret, signature, date)
        return access_key_id

    def _v1_url(self, request: OssRequest) -> str:
        access_key_id, expires, signature = (
            request.query.get(name, "") for name in ("OSSAccessKeyId", "Expires", "Signature")
        )
        if not (access_key_id and signature and expires.isdecimal()):
            raise OssError(
                "AccessDenied",
                "Query-string authentication requires the Signature, Expires and OSSAccessKeyId parameters",
            )
        if int(expires) < time.time():
            raise OssError("AccessDenied", "Request has expired.", Expires=_iso(int(expires)), ServerTime=_iso())
        secret = self._secret(access_key_id, _token(request))
        self._check_v1(request, access_key_id, secret, signature, expires)
        return access_key_id

    def _check_v1(self, request: OssRequest, access_key_id: str, secret: str, signature: str, date: str) -> None:
        string = _v1_string(request, date)
        digest = hmac.new(secret.encode(), string, hashlib.sha1).digest()
        if not hmac.compare_digest(base64.b64encode(digest), signature.encode()):
            raise _mismatch(access_key_id, signature, string)

    def _v2_header(self, request: OssRequest, fields: re.Match[str]) -> str:
        access_key_id, additional, signature = fields.groups(default="")
        date = request.headers.get("x-oss-date") or request.headers.get("date", "")
        _check_skew(_parse_date(date))
        self._check_v2(request, access_key_id, signature, request.headers.get("date", ""), additional)
        return access_key_id

    def _v2_url(self, request: OssRequest) -> str:
        access_key_id, expires, signature, additional = (
            request.query.get(f"x-oss-{name}", "")
            for name in ("access-key-id", "expires", "signature", "additional-headers")
        )
        if not (access_key_id and signature and expires.isdecimal()):
            raise OssError("AccessDenied", "Query-string authentication lacks parameters of the version OSS2.")
        if int(expires) < time.time():
            raise OssError("AccessDenied", "Request has expired.", Expires=_iso(int(expires)), ServerTime=_iso())
        self._check_v2(request, access_key_id, signature, expires, additional)
        return access_key_id

    def _check_v2(self, request: OssRequest, access_key_id: str, signature: str, date: str, additional: str) -> None:
        secret = self._secret(access_key_id, _token(request))
        string = _v2_string(request, date, additional)
        digest = hmac.new(secret.encode(), string, hashlib.sha256).digest()
        if not hmac.compare_digest(base64.b64encode(digest), signature.encode()):
            raise _mismatch(access_key_id, signature, string)

    def _v4_header(self, request: OssRequest, fields: str) -> str:
        named = dict(field.strip().partition("=")[::2] for field in fields.split(","))
        credential, signature = named.get("Credential", ""), named.get("Signature", "")
        when = request.headers.get("x-oss-date", "")
        _check_skew(_parse_v4_date(when))
        additional = named.get("AdditionalHeaders", "")
        return self._check_v4(request, credential, signature, when, additional)

    def _v4_url(self, request: OssRequest) -> str:
        query = request.query
        when, expires = query.get("x-oss-date", ""), query.get("x-oss-expires", "")
        begun = _parse_v4_date(when)
        if not expires.isdecimal() or not 1 <= int(expires) <= _MAX_URL_LIFE_S:
            raise invalid_argument("x-oss-expires must be 1 to 604800 seconds.", "x-oss-expires", expires)
        if begun + int(expires) < time.time():
            raise OssError(
                "AccessDenied", "Request has expired.", Expires=_iso(begun + int(expires)), ServerTime=_iso()
            )
        if begun > time.time() + MAX_SKEW_S:
            raise OssError("AccessDenied", "Request is not valid yet.", ServerTime=_iso())
        credential, signature = query.get("x-oss-credential", ""), query.get("x-oss-signature", "")
        return self._check_v4(request, credential, signature, when, query.get("x-oss-additional-headers", ""))

    def _check_v4(self, request: OssRequest, credential: str, signature: str, when: str, additional: str) -> str:
        access_key_id, date, region, product, terminator = self._scope(request, credential, when)
        secret = self._secret(access_key_id, _token(request))
        canonical = _v4_canonical(request, additional)
        scope = f"{date}/{region}/{product}/{terminator}"
        string = f"{_V4}\n{when}\n{scope}\n{hashlib.sha256(canonical).hexdigest()}".encode()
        key = f"aliyun_v4{secret}".encode()
        for step in (date, region, product, terminator):
            key = hmac.new(key, step.encode(), hashlib.sha256).digest()
        expected = hmac.new(key, string, hashlib.sha256).hexdigest()
        if not hmac.compare_digest(expected.encode(), signature.encode()):
            raise _mismatch(access_key_id, signature, string, canonical)
        return access_key_id

    def _scope(self, request: OssRequest, credential: str, when: str) -> list[str]:
        parts = credential.split("/")
        wrong, number = "", None
        if len(parts) != 5:
            wrong = "Invalid Credential in Authorization header."
        elif parts[1] != when[:8]:
            wrong = "Invalid signing date in Authorization header."
        elif parts[2] != self.region:
            if "authorization" in request.headers:
                wrong, number = "Invalid signing region in Authorization header.", "0002-00000226"
            else:
                wrong = "The signing region in credential is invalid."
        elif parts[3] != "oss":
            wrong = "Invalid signing product in Authorization header."
        elif parts[4] != "aliyun_v4_request":
            wrong = "Invalid signing version in Authorization header."
        if wrong:
            raise OssError("InvalidArgument", wrong, number=number, ArgumentName="Credential", ArgumentValue=credential)
        return parts

    def _secret(self, access_key_id: str, token: str | None) -> str:
        try:
            return self.keyring.secret_of(access_key_id, token)
        except UnknownAccessKey:
            message = "The OSS Access Key Id you provided does not exist in our records."
            raise OssError("InvalidAccessKeyId", message, OSSAccessKeyId=access_key_id) from None
        except InvalidSecurityToken:
            message = "The security token you provided is invalid."
            raise OssError("InvalidSecurityToken", message, OSSAccessKeyId=access_key_id) from None


def _token(request: OssRequest) -> str | None:
    for place in (request.headers, request.query):
        for name in ("x-oss-security-token", "security-token"):
            if name in place:
                return place[name]
    return None


def _v1_string(request: OssRequest, date: str) -> bytes:
    headers = request.headers
    lines = [request.method, headers.get("content-md5", ""), headers.get("content-type", ""), date]
    lines += _canonical_headers(request, "x-oss-")
    signed = sorted((name, value) for name, value in request.query.items() if name in _V1_SUBRESOURCES)
    subresource = "&".join(f"{name}={value}" if value else name for name, value in signed)
    resource = f"/{request.bucket}/{request.key}" if request.bucket else "/"
    # Header values are Latin-1 views of bytes; the resource is text that is signed as UTF-8.
    return "\n".join(lines).encode("latin-1") + f"\n{resource}{'?' if subresource else ''}{subresource}".encode()


def _v2_string(request: OssRequest, date: str, additional: str) -> bytes:
    headers = request.headers
    names = sorted(name for name in additional.lower().split(";") if name)
    lines = [request.method, headers.get("content-md5", ""), headers.get("content-type", ""), date]
    lines += _canonical_headers(request, "x-oss-", names)
    encoded = sorted(
        (quote(name, safe=""), quote(value, safe=""))
        for name, value in request.query.items()
        if name != "x-oss-signature"
    )
    query = "&".join(f"{name}={value}" if value else name for name, value in encoded)
    resource = quote(f"/{request.bucket}/{request.key}" if request.bucket else "/", safe="")
    lines += [";".join(names), f"{resource}{'?' if query else ''}{query}"]
    return "\n".join(lines).encode("latin-1")


def _v4_canonical(request: OssRequest, additional: str) -> bytes:
    path = quote(f"/{request.bucket}/{request.key}" if request.bucket else "/", safe="/")
    encoded = sorted(
        (quote(name, safe=""), quote(value, safe=""))
        for name, value in request.query.items()
        if name != "x-oss-signature"
    )
    query = "&".join(f"{name}={value}" if value else name for name, value in encoded)
    extra = [name for name in additional.lower().split(";") if name]
    headers = "".join(
        f"{line}\n" for line in _canonical_headers(request, "x-oss-", ["content-type", "content-md5", *extra])
    )
    payload = request.headers.get("x-oss-content-sha256", "UNSIGNED-PAYLOAD")
    return f"{request.method}\n{path}\n{query}\n{headers}\n{';'.join(sorted(extra))}\n{payload}".encode("latin-1")


def _canonical_headers(request: OssRequest, prefix: str, names: Iterable[str] = ()) -> list[str]:
    chosen = frozenset(names)
    return [
        f"{name}:{value}"
        for name, value in sorted(request.headers.items())
        if name.startswith(prefix) or name in chosen
    ]


def _mismatch(access_key_id: str, signature: str, string: bytes, canonical: bytes | None = None) -> OssError:
    return OssError(
        "SignatureDoesNotMatch",
        "The request signature we calculated does not match the signature you provided. "
        "Check your key and signing method.",
        OSSAccessKeyId=access_key_id,
        SignatureProvided=signature,
        StringToSign=string.decode(errors="replace"),
        StringToSignBytes=string.hex(" ").upper(),
        CanonicalRequest=None if canonical is None else canonical.decode(errors="replace"),
    )


def _parse_date(date: str) -> float:
    parsed = parsedate_tz(date)
    if parsed is not None:
        return timegm(parsed[:9]) - (parsed[9] or 0)
    return _parse_v4_date(date)


def _parse_v4_date(date: str) -> float:
    try:
        return datetime.strptime(date, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()
    except ValueError:
        raise OssError(
            "AccessDenied", "OSS authentication requires a valid Date or x-oss-date header.", Date=date
        ) from None


def _check_skew(when: float) -> None:
    if abs(time.time() - when) > MAX_SKEW_S:
        raise OssError(
            "RequestTimeTooSkewed",
            "The difference between the request time and the current time is too large.",
            MaxAllowedSkewMilliseconds=MAX_SKEW_S * 1000,
            RequestTime=_iso(when),
            ServerTime=_iso(),
        )


def _iso(when: float | None = None) -> str:
    moment = datetime.now(UTC) if when is None else datetime.fromtimestamp(when, UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.000Z")
