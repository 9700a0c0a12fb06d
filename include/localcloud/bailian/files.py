"""The data center: files that came by a lease or from OSS, and what was read of them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import mimetypes
import time
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

from localcloud.acs.errors import AcsError, invalid_parameter
from localcloud.acs.request import AcsRequest
from localcloud.bailian.answers import form_of, list_in, number_of, required
from localcloud.bailian.texts import TAKEN, UnreadableFile, kind_of, read_text
from localcloud.credentials import Keyring
from localcloud.database import Database
from localcloud.oss.errors import OssError
from localcloud.oss.store import Store
from localcloud.records import Record, Records, new_id
from localcloud.timestamps import iso_time

MAX_BYTES = 150 * 1024 * 1024
BUCKET = "bailian-datahub-local"
"""Where leased files are uploaded to, as to any bucket, by a signed URL."""

_LEASE_S = 3600
_PARSERS = ("DASHSCOPE_DOCMIND", "DASHSCOPE_DOCMIND_DIGITAL", "DASHSCOPE_DOCMIND_LLM_VERSION", "AUTO_SELECT")
UNREAD = ("INIT", "PARSING")


class Files:
    """The calls about files, and their texts for the indexes."""

    def __init__(self, root: Path, database: Database, store: Store, keyring: Keyring) -> None:
        self._texts = root / "texts"
        self._texts.mkdir(parents=True, exist_ok=True)
        self._store = store
        self._keyring = keyring
        self._leases = Records(database, "FileUploadLease")
        self._files = Records(database, "File")
        self._workspaces = Records(database, "FileWorkspace")

    def lease(self, request: AcsRequest) -> dict[str, Any]:
        """A signed URL to which the file's bytes are put."""
        fields, workspace = form_of(request), request.path_parameters["workspace"]
        name, md5 = required(fields, "FileName"), required(fields, "Md5")
        size = int(number_of(fields, "SizeInBytes", 0, low=1, high=MAX_BYTES))
        if kind_of(name) not in TAKEN:
            raise invalid_parameter("FileName", name, "a document: txt, md, html, pdf, docx, ...")
        lease_id = new_id("lease")
        key = f"{workspace}/{lease_id}/{name}"
        self._store.create_bucket(BUCKET, None, None)
        self._leases.add(workspace, lease_id, {"name": name, "md5": md5, "size": size, "key": key})
        kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
        param = {
            "Url": self._signed_url(request.headers.get("host", ""), key, kind),
            "Method": "PUT",
            "Headers": {"X-bailian-extra": lease_id, "Content-Type": kind},
        }
        return {"FileUploadLeaseId": lease_id, "Type": "OSS.PreSignedUrl", "Param": param}

    def add(self, request: AcsRequest) -> dict[str, Any]:
        """Take in what was uploaded under a lease; it is read afterwards."""
        fields, workspace = form_of(request), request.path_parameters["workspace"]
        parser = required(fields, "Parser")
        if parser not in _PARSERS:
            raise invalid_parameter("Parser", parser, f"one of {', '.join(_PARSERS)}")
        lease_id = required(fields, "LeaseId")
        try:
            lease = self._leases.get(workspace, lease_id).content
            uploaded = self._store.head(BUCKET, lease["key"])
        except AcsError:
            raise AcsError(404, "FileUploadLease.NotExist", f"The lease {lease_id} does not exist.") from None
        except OssError:
            raise AcsError(400, "File.NotUploaded", f"Nothing was uploaded under the lease {lease_id}.") from None
        if (uploaded.size, uploaded.etag.lower()) != (lease["size"], lease["md5"].lower()):
            message = f"What was uploaded under the lease {lease_id} has another size or MD5 than was announced."
            raise AcsError(400, "File.ContentMismatch", message)
        details = {
            "name": lease["name"],
            "size": lease["size"],
            "bucket": BUCKET,
            "key": lease["key"],
            "category": required(fields, "CategoryId"),
            "parser": parser,
            "tags": list_in(fields, "Tags"),
        }
        self._leases.delete(workspace, lease_id)
        return {"FileId": self._add(workspace, details), "Parser": parser}

    def add_from_oss(self, request: AcsRequest) -> dict[str, Any]:
        """Take in objects of a bucket of the account; one that is not there gets no id and a reason."""
        fields, workspace = form_of(request), request.path_parameters["workspace"]
        bucket, category = required(fields, "OssBucketName"), required(fields, "CategoryId")
        details = list_in(fields, "FileDetails")
        if not 1 <= len(details) <= 10 or not all(isinstance(each, dict) for each in details):
            raise invalid_parameter("FileDetails", fields.get("FileDetails"), "a list of 1 to 10 files")
        try:
            self._store.bucket(bucket)
        except OssError as error:
            raise AcsError(400, "OssBucket.NotExist", error.message) from None
        tags = list_in(fields, "Tags")
        results = [self._from_oss(workspace, bucket, category, tags, each) for each in details]
        return {"AddFileResultList": results}

    def describe(self, request: AcsRequest) -> dict[str, Any]:
        """How far a file is."""
        return _view(self.get(request.path_parameters["workspace"], request.path_parameters["file"]))

    def page(self, request: AcsRequest) -> dict[str, Any]:
        """The files of a category, a page at a time (``NextToken``)."""
        category = request.query.get("CategoryId")
        size, start = (
            request.integer("MaxResults", 20, low=1, high=200),
            request.integer("NextToken", 0, low=0, high=10**9),
        )
        name = request.query.get("FileName") or ""
        wanted = set(list_in(request.query, "FileIds"))
        found = [
            record
            for record in self._files.all(request.path_parameters["workspace"])
            if (not category or record.content["category"] == category)
            and name in record.content["name"]
            and (not wanted or record.id in wanted)
        ]
        page = found[start : start + size]
        more = start + size < len(found)
        answer = {
            "TotalCount": len(found),
            "HasNext": more,
            "MaxResults": size,
            "FileList": [_view(each) for each in page],
        }
        return {**answer, "NextToken": str(start + size)} if more else answer

    def delete(self, request: AcsRequest) -> dict[str, Any]:
        """Forget a file; indexes keep what they took of it."""
        workspace, file_id = request.path_parameters["workspace"], request.path_parameters["file"]
        record = self.get(workspace, file_id)
        if record.content["bucket"] == BUCKET:
            self._store.delete(BUCKET, [record.content["key"]])
        self._files.delete(workspace, file_id)
        (self._texts / file_id).unlink(missing_ok=True)
        return {"FileId": file_id}

    def get(self, workspace: str, file_id: str) -> Record:
        """A file; raises ``File.NotExist``."""
        try:
            return self._files.get(workspace, file_id)
        except AcsError:
            raise AcsError(404, "File.NotExist", f"The file {file_id} does not exist.") from None

    def of_category(self, workspace: str, category: str) -> list[str]:
        """The ids of a category's files."""
        return [record.id for record in self._files.all(workspace) if record.content["category"] == category]

    def text(self, file_id: str) -> str:
        """What was read of a file."""
        return (self._texts / file_id).read_text(encoding="utf-8")

    def read(self, workspace: str, file_id: str) -> None:
        """Get the text out of a file; what cannot be read is PARSE_FAILED with a reason."""
        self._files.change(workspace, file_id, {"status": "PARSING"})
        content = self._files.get(workspace, file_id).content
        try:
            with self._store.open(content["bucket"], content["key"]) as reader:
                text = read_text(content["name"], reader.read(MAX_BYTES))
        except (UnreadableFile, OssError) as error:
            self._files.change(workspace, file_id, {"status": "PARSE_FAILED", "error": str(error)})
            return
        (self._texts / file_id).write_text(text, encoding="utf-8")
        self._files.change(workspace, file_id, {"status": "PARSE_SUCCESS"})

    def unread(self) -> list[tuple[str, str]]:
        """Workspace and id of each file that is to be read."""
        return [
            (record.content["workspace"], record.id)
            for workspace in self._workspaces.all("")
            for record in self._files.all(workspace.id)
            if record.content["status"] in UNREAD
        ]

    def _from_oss(
        self, workspace: str, bucket: str, category: str, tags: list[Any], wanted: dict[str, Any]
    ) -> dict[str, Any]:
        key = str(wanted.get("OssKey") or "")
        name = str(wanted.get("FileName") or key.rpartition("/")[2])
        try:
            size = self._store.head(bucket, key).size
        except OssError as error:
            return {"OssKey": key, "Msg": error.message}
        if kind_of(name) not in TAKEN or not 0 < size <= MAX_BYTES:
            return {"OssKey": key, "Msg": "The file's type is not taken, or it is empty or too large."}
        details = {"bucket": bucket, "key": key, "parser": "DASHSCOPE_DOCMIND", "category": category, "tags": tags}
        return {"FileId": self._add(workspace, {**details, "name": name, "size": size}), "OssKey": key, "Msg": ""}

    def _add(self, workspace: str, details: dict[str, Any]) -> str:
        file_id = f"file_{new_id('local').removeprefix('local-')}"
        with suppress(AcsError):
            self._workspaces.add("", workspace, {})
        self._files.add(workspace, file_id, {**details, "workspace": workspace, "status": "INIT", "error": ""})
        return file_id

    def _signed_url(self, host: str, key: str, kind: str) -> str:
        expires = int(time.time()) + _LEASE_S
        said = f"PUT\n\n{kind}\n{expires}\n/{BUCKET}/{key}".encode()
        digest = hmac.new(self._keyring.access_key_secret.encode(), said, hashlib.sha1).digest()
        signature = quote(base64.b64encode(digest), safe="")
        signed = f"Expires={expires}&OSSAccessKeyId={quote(self._keyring.access_key_id, safe='')}&Signature={signature}"
        return f"http://{host}/{BUCKET}/{quote(key)}?{signed}"


def _view(record: Record) -> dict[str, Any]:
    content = record.content
    return {
        "FileId": record.id,
        "FileName": content["name"],
        "Status": content["status"],
        "Parser": content["parser"],
        "SizeInBytes": content["size"],
        "FileType": kind_of(content["name"]),
        "CategoryId": content["category"],
        "CreateTime": iso_time(record.created_ms),
        "Tags": content["tags"],
        "ParseErrorMessage": content["error"],
    }
