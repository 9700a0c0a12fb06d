"""What AIRec takes: the documents of a push, checked by the documented rules.

Rules: https://help.aliyun.com/en/airec/developer-reference/
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from localcloud.acs.errors import AcsError, invalid_parameter, missing_parameter

TABLES = ("item", "user", "behavior")
_MAX_DOCUMENTS = 800
_MAX_BODY_BYTES = 1024 * 1024
_MAX_DOCUMENT_BYTES = 10 * 1024
_MAX_KEY = 255
_ITEM_ID = re.compile(r"[A-Za-z0-9]{1,50}")
_ITEM_TYPES = ("article", "audio", "image", "item", "recipe", "shortvideo", "video")
# The interface calls AIRec's own recommendations so; a behaviour that follows one brings its trace_info back.
_OF_AIREC = "ali"
_KEYS = {"item": ("item_id", "item_type"), "user": ("user_id",)}
_REQUIRED = {
    **_KEYS,
    "behavior": ("item_id", "item_type", "bhv_type", "bhv_time", "trace_id"),
}
_TIMES = {
    "item": ("pub_time", "expire_time", "last_modify_time"),
    "user": ("register_time", "last_login_time"),
    "behavior": ("bhv_time",),
}
_EPOCH = re.compile(r"\d{1,11}")


@dataclass(frozen=True, slots=True)
class Document:
    """One change of a table; ``cmd`` is add, update or delete."""

    cmd: str
    fields: Mapping[str, str]

    def key(self, table: str) -> tuple[str, str]:
        """What an item or a user is known by; users have no second part."""
        names = _KEYS[table]
        return self.fields[names[0]], self.fields[names[1]] if len(names) > 1 else ""


def documents_of(table: str, body: bytes) -> list[Document]:
    """The documents of a push; raises ``AcsError`` for the first rule that is broken, and nothing is to be stored."""
    if table not in TABLES:
        raise invalid_parameter("tableName", table, f"one of {', '.join(TABLES)}")
    if not body:
        # The vendor's typed push_document sends none.
        raise missing_parameter("documents")
    if len(body) > _MAX_BODY_BYTES:
        raise _refused(f"The request has {len(body)} bytes; {_MAX_BODY_BYTES} are allowed.")
    try:
        content = json.loads(body)
    except ValueError:
        raise _refused("The request body is not valid JSON.") from None
    if not isinstance(content, list) or not content:
        raise _refused("The request body must be a list of documents that is not empty.")
    if len(content) > _MAX_DOCUMENTS:
        raise _refused(f"The request has {len(content)} documents; {_MAX_DOCUMENTS} are allowed.")
    return [_document_of(table, number, each) for number, each in enumerate(content)]


def _document_of(table: str, number: int, content: Any) -> Document:
    where = f"Document {number} of table {table}"
    if not isinstance(content, dict) or not isinstance(content.get("fields"), dict):
        raise _refused(f"{where} must be an object with cmd and fields.")
    size = len(json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode())
    if size > _MAX_DOCUMENT_BYTES:
        raise _refused(f"{where} has {size} bytes; {_MAX_DOCUMENT_BYTES} are allowed.")
    cmd, fields = str(content.get("cmd")), content["fields"]
    allowed = ("add",) if table == "behavior" else ("add", "update", "delete")
    if cmd not in allowed:
        raise _refused(f"{where} has cmd {cmd!r}; it must be {' or '.join(allowed)}.")
    for name, value in fields.items():
        if not isinstance(value, str) or "\0" in value:
            raise _refused(f"{where} has {name} {value!r}; every field must be a string.")
    _check_fields(table, where, fields)
    return Document(cmd, fields)


def _check_fields(table: str, where: str, fields: Mapping[str, str]) -> None:
    for name in _REQUIRED[table]:
        if not fields.get(name):
            raise _refused(f"{where} has no {name}.")
    if table != "user":
        if _ITEM_ID.fullmatch(fields["item_id"]) is None:
            raise _refused(f"{where} has item_id {fields['item_id']!r}; it must be 1 to 50 letters and digits.")
        if fields["item_type"] not in _ITEM_TYPES:
            raise _refused(f"{where} has item_type {fields['item_type']!r}; it must be one of {_ITEM_TYPES}.")
    if len(fields.get("user_id", "")) > _MAX_KEY:
        raise _refused(f"{where} has a user_id of more than {_MAX_KEY} characters.")
    for name in _TIMES[table]:
        if fields.get(name) and _EPOCH.fullmatch(fields[name]) is None:
            raise _refused(f"{where} has {name} {fields[name]!r}; it must be seconds since 1970.")
    if table == "behavior":
        _check_behavior(where, fields)


def _check_behavior(where: str, fields: Mapping[str, str]) -> None:
    if not fields.get("user_id") and not fields.get("imei"):
        raise _refused(f"{where} has neither user_id nor imei.")
    if fields["trace_id"] == _OF_AIREC and not fields.get("trace_info"):
        raise _refused(f"{where} has trace_id {_OF_AIREC} without the trace_info that came with it.")


def _refused(message: str) -> AcsError:
    return AcsError(400, "InvalidParameter", message)
