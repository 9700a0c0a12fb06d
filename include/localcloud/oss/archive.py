"""Archived objects: not readable until they are restored, and then for as many days as were asked for."""

from __future__ import annotations

from dataclasses import dataclass

from localcloud.oss import xml
from localcloud.oss.answer import Answer, http_time
from localcloud.oss.errors import OssError, invalid_argument, no_such_key
from localcloud.oss.records import ObjectRecord, bucket_of, now_ms, object_of, set_property
from localcloud.oss.request import OssRequest
from localcloud.oss.store import Store
from localcloud.oss.uploading import Threads

PROPERTY = "restore"
_TIERS = ("Expedited", "Standard", "Bulk")
_MAX_DAYS = {"Archive": 7, "ColdArchive": 365, "DeepColdArchive": 365}
_DAY_MS = 24 * 3600 * 1000
# In the service a minute (Archive) to two days (DeepColdArchive).
THAW_MS = 5_000


@dataclass(frozen=True, slots=True)
class ArchiveActions:
    """Handler of ``?restore``."""

    store: Store
    threads: Threads

    async def restore(self, request: OssRequest) -> Answer:
        """RestoreObject: 202 begins to thaw an object, 200 keeps a thawed one readable for longer."""
        days, tier = _wish_of(await request.document())
        return await self.threads.run(self._restore, request, days, tier)

    def _restore(self, request: OssRequest, days: int, tier: str) -> Answer:
        with self.store.database.write() as connection:
            bucket_of(connection, request.bucket)
            record = object_of(connection, request.bucket, request.key)
            if record is None:
                raise no_such_key(request.key)
            if record.storage_class not in _MAX_DAYS:
                raise OssError("OperationNotSupported", "The operation is not supported for this resource.")
            if record.storage_class == "Archive" and tier:
                raise xml.malformed()
            if not 1 <= days <= _MAX_DAYS[record.storage_class]:
                raise invalid_argument("The number of days is out of range.", "Days", str(days))
            now = now_ms()
            ready, until = _times_of(record)
            if ready > now:
                raise OssError("RestoreAlreadyInProgress", "The restore operation is in progress.")
            thawed = until > now
            ready = ready if thawed else now + THAW_MS
            set_property(connection, record.content, PROPERTY, f"{ready} {max(now, ready) + days * _DAY_MS}")
        headers = {} if record.storage_class == "Archive" else {"x-oss-object-restore-priority": tier or "Standard"}
        return Answer(200 if thawed else 202, headers)


def check_readable(record: ObjectRecord) -> None:
    """Raises ``InvalidObjectState`` for an archived object that is not thawed."""
    if record.storage_class in _MAX_DAYS:
        ready, until = _times_of(record)
        if not ready <= now_ms() < until:
            raise OssError(
                "InvalidObjectState", "The operation is not valid for the object's state.", ObjectName=record.key
            )


def restore_state(record: ObjectRecord) -> str | None:
    """What ``x-oss-restore`` and listings say; None for an object that nobody restored, or not lately."""
    ready, until = _times_of(record)
    now = now_ms()
    if now < ready:
        return 'ongoing-request="true"'
    return f'ongoing-request="false", expiry-date="{http_time(until)}"' if now < until else None


def _times_of(record: ObjectRecord) -> tuple[int, int]:
    ready, _, until = record.properties.get(PROPERTY, "0 0").partition(" ")
    return int(ready), int(until)


def _wish_of(body: bytes) -> tuple[int, str]:
    if not body.strip():
        return 1, ""
    root = xml.parse(body, "RestoreRequest")
    days = (root.findtext("Days") or "1").strip()
    tier = (root.findtext("JobParameters/Tier") or "").strip()
    if not days.isdecimal():
        raise xml.malformed()
    if tier and tier not in _TIERS:
        raise invalid_argument("The tier is not one of Expedited, Standard and Bulk.", "Tier", tier)
    return int(days), tier
