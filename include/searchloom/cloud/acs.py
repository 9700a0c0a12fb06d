"""What the clients of the ACS services share: the address, the signature's keys, time limits, errors.

The vendor's SDKs build, sign (ACS3-HMAC-SHA256) and send; they are told to retry nothing, because only we know which
call may run twice. API: https://help.aliyun.com/en/sdk/product-overview/v3-request-structure-and-signature
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from alibabacloud_credentials.exceptions import CredentialException
from alibabacloud_tea_openapi.exceptions import AlibabaCloudException
from alibabacloud_tea_openapi.models import Config
from darabonba.exceptions import RetryError
from Tea.exceptions import TeaException, UnretryableException

from searchloom.cloud import credentials
from searchloom.cloud.failures import failure
from searchloom.errors import ServiceError, ServiceRefused, ServiceUnavailable, UsageError
from searchloom.settings import Acs, AcsService

NAMES: dict[AcsService, str] = {
    "pai_dlc": "PAI-DLC",
    "pai_workspace": "PAI AIWorkSpace",
    "pai_eas": "PAI-EAS",
    "airec": "AIRec",
    "bailian": "Bailian",
    "sts": "STS",
}

_PUBLIC = {
    "pai_dlc": "pai-dlc.{region}.aliyuncs.com",
    "pai_workspace": "aiworkspace.{region}.aliyuncs.com",
    "pai_eas": "pai-eas.{region}.aliyuncs.com",
    "airec": "airec.{region}.aliyuncs.com",
    "bailian": "bailian.{region}.aliyuncs.com",
    "sts": "sts.{region}.aliyuncs.com",
}


class Connection:
    """One service at one address; ``config`` goes to the vendor's client, ``call`` around each of its calls."""

    def __init__(self, settings: Acs, service: AcsService) -> None:
        """Raises ``UsageError`` for an address that is no plain URL and for settings that lack credentials."""
        self.service = NAMES[service]
        self.endpoint = address(settings, service)
        self.credentials = credentials.provider(settings)
        parts = urlsplit(self.endpoint)
        self.config = Config(
            credential=self.credentials,
            endpoint=parts.netloc,
            protocol=parts.scheme,
            region_id=settings.region,
            connect_timeout=round(settings.connect_timeout_s * 1000),
            read_timeout=round(settings.read_timeout_s * 1000),
        )

    @contextmanager
    def call(self, what: str) -> Iterator[None]:
        """Turn the vendor's exceptions into ours; ``what`` (``job 'dlc-1'``) goes into the sentence."""
        try:
            yield
        except AlibabaCloudException as error:
            raise self._answered(error, what) from error
        except UnretryableException as error:
            raise self._unanswered(error.inner_exception, what) from error
        except CredentialException as error:
            raise self._without_credentials(error, what) from error
        except TeaException as error:
            raise ServiceRefused(
                f"the SDK of {self.service} refused {what}: {error.message}; check the request",
                code=error.code or "",
                endpoint=self.endpoint,
            ) from error

    def _answered(self, error: AlibabaCloudException, what: str) -> ServiceError:
        data: dict[str, Any] = error.data or {}
        waits_ms = error.retry_after
        return failure(
            service=self.service,
            what=what,
            status=error.status_code or 500,
            code=error.code or "",
            message=str(data.get("Message") or data.get("message") or error.message or ""),
            request_id=error.request_id or "",
            endpoint=self.endpoint,
            retry_after_s=None if waits_ms is None else waits_ms / 1000,
        )

    def _unanswered(self, cause: Exception, what: str) -> ServiceError:
        if isinstance(cause, CredentialException):
            return self._without_credentials(cause, what)
        trouble = "cannot be reached" if isinstance(cause, RetryError) else "did not answer with JSON"
        return ServiceUnavailable(f"{self.service} {trouble} about {what}: {_short(cause)}", endpoint=self.endpoint)

    def _without_credentials(self, cause: Exception, what: str) -> ServiceError:
        # The role's own endpoint may be restarting, so that a later try can find credentials.
        return ServiceUnavailable(
            f"no credentials for {what} of {self.service}: {_short(cause)}; check acs.credentials and the role",
            endpoint=self.endpoint,
        )


def address(settings: Acs, service: AcsService) -> str:
    """Where a service answers, as a URL without a path; raises ``UsageError`` for anything else."""
    url = settings.endpoints.get(service) or settings.endpoint
    if not url:
        return "https://" + _PUBLIC[service].format(region=settings.region)
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.netloc or parts.path.strip("/") or parts.query:
        raise UsageError(f"the endpoint {url!r} of {NAMES[service]} is no http(s)://host[:port]; leave out any path")
    return url.rstrip("/")


def expect_success(body: dict[str, Any], *, service: str, what: str, endpoint: str) -> None:
    """Raise what an answer with HTTP 200 says went wrong, which the vendors' SDKs let pass."""
    given = {str(name).lower(): value for name, value in body.items()}
    code = str(given.get("code") or "")
    if given.get("success") is not False and code.lower() in {"", "0", "200", "ok", "success"}:
        return
    status = str(given.get("status") or given.get("httpstatuscode") or "")
    raise failure(
        service=service,
        what=what,
        status=int(status) if status.isdecimal() and status != "200" else 400,
        code=code,
        message=str(given.get("message") or ""),
        request_id=str(given.get("requestid") or ""),
        endpoint=endpoint,
    )


def _short(cause: Exception) -> str:
    return " ".join(str(cause).split())[:300]
