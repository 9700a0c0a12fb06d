"""AssumeRole and GetCallerIdentity."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from localcloud.acs.errors import AcsError
from localcloud.acs.request import AcsRequest
from localcloud.acs.service import Operation, Product
from localcloud.credentials import Keyring
from localcloud.timestamps import iso_time

ACCOUNT_ID = "1000000000000001"
_ROLE = re.compile(r"acs:ram::(\d+):role/([\w.-]{1,64})")
_SESSION = re.compile(r"[\w.@-]{1,64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class StsService:
    """Hands out credentials that OSS and every ACS3 service accept until they expire."""

    keyring: Keyring

    def product(self) -> Product:
        """What the dispatcher needs to know."""
        operations = {
            "AssumeRole": Operation("POST", "/", self.assume_role),
            "GetCallerIdentity": Operation("POST", "/", self.get_caller_identity),
        }
        return Product("sts", "2015-04-01", operations)

    def assume_role(self, request: AcsRequest) -> dict[str, Any]:
        """Issue a temporary credential for ``DurationSeconds``, 900 to 43200."""
        arn, session = request.required("RoleArn"), request.required("RoleSessionName")
        role = _ROLE.fullmatch(arn)
        if role is None:
            raise AcsError(400, "InvalidParameter.RoleArn", f"The parameter RoleArn {arn!r} is wrongly formed.")
        if not _SESSION.fullmatch(session):
            raise AcsError(
                400, "InvalidParameter.RoleSessionName", f"The parameter RoleSessionName {session!r} is wrongly formed."
            )
        duration = request.query.get("DurationSeconds") or "3600"
        if not duration.isdecimal() or not 900 <= int(duration) <= 43200:
            raise AcsError(
                400,
                "InvalidParameter.DurationSeconds",
                f"The Min/Max value of DurationSeconds is 15min/12hr; {duration!r} was sent.",
            )
        issued = self.keyring.issue(int(duration))
        return {
            "AssumedRoleUser": {
                "Arn": f"acs:ram::{role[1]}:role/{role[2]}/{session}",
                "AssumedRoleId": f"3{issued.expires}:{session}",
            },
            "Credentials": {
                "AccessKeyId": issued.access_key_id,
                "AccessKeySecret": issued.access_key_secret,
                "SecurityToken": issued.security_token,
                "Expiration": iso_time(issued.expires * 1000),
            },
        }

    def get_caller_identity(self, request: AcsRequest) -> dict[str, Any]:
        """Say whose key signed the request."""
        temporary = "x-acs-security-token" in request.headers or "SecurityToken" in request.query
        kind, name = ("AssumedRoleUser", "role/assumed") if temporary else ("Account", "root")
        return {
            "IdentityType": kind,
            "AccountId": ACCOUNT_ID,
            "PrincipalId": ACCOUNT_ID,
            "UserId": ACCOUNT_ID,
            "Arn": f"acs:ram::{ACCOUNT_ID}:{name}",
        }
