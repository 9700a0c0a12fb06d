"""OSS as an ASGI application: authenticate, route, answer."""

from __future__ import annotations

import asyncio
import base64
import logging
import sqlite3
import uuid
from collections.abc import Awaitable, Callable
from email.utils import formatdate
from pathlib import Path

from localcloud.credentials import Keyring
from localcloud.faults import Fault, Faults
from localcloud.oss import xml
from localcloud.oss.answer import Answer
from localcloud.oss.archive import ArchiveActions
from localcloud.oss.bucket_actions import BucketActions
from localcloud.oss.callbacks import callback_of, deliver
from localcloud.oss.channels import ChannelActions
from localcloud.oss.errors import OssError
from localcloud.oss.links import LinkActions
from localcloud.oss.multipart import Uploads
from localcloud.oss.multipart_actions import MultipartActions
from localcloud.oss.names import check_bucket, check_key
from localcloud.oss.object_actions import ObjectActions
from localcloud.oss.request import ClientGoneError, OssRequest, Receive, Scope, Send
from localcloud.oss.routes import action_of
from localcloud.oss.signatures import Verifier
from localcloud.oss.store import Store
from localcloud.oss.uploading import Threads

_log = logging.getLogger(__name__)
_CHUNK_BYTES = 512 * 1024
_DRAIN_S = 10.0
_READS = frozenset({"GetObject", "HeadObject", "GetObjectMeta"})
_CALLING_BACK = frozenset({"PutObject", "CompleteMultipartUpload"})
_WRITES = frozenset({"PutObject", "AppendObject", "DeleteObject"})
Handler = Callable[[OssRequest], Awaitable[Answer]]


class OssService:
    """The object store below one folder, for one access key and region."""

    def __init__(self, root: Path, keyring: Keyring, region: str, faults: Faults) -> None:
        self.store = Store(root)
        self._threads = Threads()
        self._verifier = Verifier(keyring, region)
        self._faults = faults
        self._handlers = self._table(region)

    def _table(self, region: str) -> dict[str, Handler]:
        objects = ObjectActions(self.store, self._threads)
        parts = MultipartActions(self.store, Uploads(self.store), self._threads)
        buckets = BucketActions(self.store, self._threads, region)
        channels = ChannelActions(self.store, self._threads)
        links = LinkActions(self.store, self._threads)
        return {
            "AbortMultipartUpload": parts.abort,
            "AppendObject": objects.append,
            "CompleteMultipartUpload": parts.complete,
            "CopyObject": objects.copy,
            "DeleteBucket": buckets.delete,
            "DeleteMultipleObjects": buckets.delete_objects,
            "DeleteLiveChannel": channels.delete,
            "DeleteObject": objects.delete,
            "DeleteObjectTagging": objects.delete_tagging,
            "GetBucketAcl": buckets.get_acl,
            "GetBucketInfo": buckets.info,
            "GetBucketLocation": buckets.location,
            "GetBucketStat": buckets.stat,
            "GetLiveChannelInfo": channels.get,
            "GetObject": objects.get,
            "GetObjectAcl": objects.get_acl,
            "GetObjectMeta": objects.meta,
            "GetObjectTagging": objects.get_tagging,
            "GetSymlink": links.get,
            "HeadObject": objects.head,
            "InitiateMultipartUpload": parts.begin,
            "ListBuckets": buckets.list_buckets,
            "ListLiveChannel": channels.list_page,
            "ListMultipartUploads": buckets.list_uploads,
            "ListObjects": buckets.list_v1,
            "ListObjectsV2": buckets.list_v2,
            "ListParts": parts.list_parts,
            "PutBucket": buckets.create,
            "PutBucketAcl": buckets.put_acl,
            "PutLiveChannel": channels.put,
            "PutLiveChannelStatus": channels.put_status,
            "PutObject": objects.put,
            "PutObjectAcl": objects.put_acl,
            "PutObjectTagging": objects.put_tagging,
            "PutSymlink": links.put,
            "RestoreObject": ArchiveActions(self.store, self._threads).restore,
            "UploadPart": parts.put_part,
            "UploadPartCopy": parts.copy_part,
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request."""
        request_id = uuid.uuid4().hex[:24].upper()
        request = None
        fault: Fault | None = None
        try:
            request = OssRequest.from_scope(scope, receive)
            answer, fault = await self._answer(request)
        except OssError as error:
            answer = _error_answer(error, scope, request_id)
        except ClientGoneError:
            _log.info("A client went away while it was sending %s %s.", scope["method"], scope["path"])
            return
        except (OSError, sqlite3.Error):
            _log.exception("Request %s %s failed on the disk or the index.", scope["method"], scope["path"])
            internal = OssError("InternalError", "We encountered an internal error. Please try again.")
            answer = _error_answer(internal, scope, request_id)
        if request is not None and request.method in {"PUT", "POST"}:
            await request.drain(_DRAIN_S)
        if fault is not None:
            send = fault.spoil(scope, send)
        await self._send(answer, scope, request_id, send)

    async def _answer(self, request: OssRequest) -> tuple[Answer, Fault | None]:
        signer = self._verifier.authenticate(request)
        if request.bucket:
            check_bucket(request.bucket)
        if request.key:
            check_key(request.key)
        action = action_of(request)
        if signer is None:
            await self._check_anonymous(request, action)
        fault = self._faults.take("oss", action)
        if fault is not None:
            _refuse(fault)
            await asyncio.sleep(fault.delay_s)
        return await self._done(action, request), fault

    async def _done(self, action: str, request: OssRequest) -> Answer:
        callback = callback_of(request) if action in _CALLING_BACK else None
        answer = await self._handlers[action](request)
        if callback is None:
            return answer
        record = await self._threads.run(self.store.head, request.bucket, request.key)
        return await deliver(callback, record, answer)

    async def _check_anonymous(self, request: OssRequest, action: str) -> None:
        if action in _READS | _WRITES:
            acl = (await self._threads.run(self.store.bucket, request.bucket)).acl
            if action in _READS:
                own = (await self._threads.run(self.store.head, request.bucket, request.key)).acl
                acl = acl if own == "default" else own
            if acl == "public-read-write" or (acl == "public-read" and action in _READS):
                return
        raise OssError("AccessDenied", "You have no right to access this object because of bucket acl.")

    async def _send(self, answer: Answer, scope: Scope, request_id: str, send: Send) -> None:
        headers = {
            "server": "AliyunOSS",
            "date": formatdate(usegmt=True),
            "x-oss-request-id": request_id,
            **({} if answer.reader else {"content-length": str(len(answer.body))}),
            **answer.headers,
        }
        if scope["method"] in {"GET", "HEAD"} and any(
            n == b"content-length" and v != b"0" for n, v in scope["headers"]
        ):
            # Some clients announce a body on GET and never send it: the connection cannot be used again.
            headers["connection"] = "close"
        if answer.status == 204:
            headers.pop("content-length", None)
        raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
        reader = answer.reader
        try:
            await send({"type": "http.response.start", "status": answer.status, "headers": raw})
            if reader is not None and scope["method"] != "HEAD":
                while chunk := await self._threads.run(reader.read, _CHUNK_BYTES):
                    await send({"type": "http.response.body", "body": chunk, "more_body": True})
            await send({"type": "http.response.body", "body": answer.body, "more_body": False})
        finally:
            if reader is not None:
                reader.close()


def _refuse(fault: Fault) -> None:
    if fault.kind == "429":
        raise OssError("QpsLimitExceeded", "Qps limit exceeded.")
    if fault.kind == "503":
        raise OssError("ServiceUnavailable", "Please reduce your request rate.")


def _error_answer(error: OssError, scope: Scope, request_id: str) -> Answer:
    host = next((value.decode("latin-1") for name, value in scope["headers"] if name.lower() == b"host"), "")
    content = {
        "Code": error.code,
        "Message": error.message,
        "RequestId": request_id,
        "HostId": host,
        **error.details,
    }
    headers = {"content-type": "application/xml", **error.headers}
    if error.number is not None:
        content["EC"] = headers["x-oss-ec"] = error.number
    body = xml.document("Error", content)
    if scope["method"] == "HEAD" or error.status == 304:
        # An answer to HEAD has no body, so the document travels in a header.
        if error.status != 304:
            headers["x-oss-err"] = base64.b64encode(body).decode()
        body = b""
    return Answer(error.status, headers, body)
