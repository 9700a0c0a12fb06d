"""The call back to the user's own server after an upload: its answer becomes the answer to the upload.

The request carries no ``Authorization`` of OSS: its key pair is the service's own.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

import httpx

from localcloud.oss.answer import Answer
from localcloud.oss.errors import OssError, invalid_argument
from localcloud.oss.records import ObjectRecord
from localcloud.oss.request import OssRequest

_TIMEOUT_S = 5.0
_MAX_URLS = 5
_FORM = "application/x-www-form-urlencoded"
_JSON = "application/json"
_VARIABLE = re.compile(r"\$\{([\w.:-]+)\}")


@dataclass(frozen=True, slots=True)
class Callback:
    """Where to call, with which body, and the user's own variables (``x:name``)."""

    urls: tuple[str, ...]
    body: str
    body_type: str
    variables: Mapping[str, str]


def callback_of(request: OssRequest) -> Callback | None:
    """What the request wants to be called; raises ``InvalidArgument`` for a callback that cannot be understood."""
    given = request.headers.get("x-oss-callback") or request.query.get("callback")
    if not given:
        return None
    wish = _decoded(given, "callback")
    own = _decoded(request.headers.get("x-oss-callback-var") or request.query.get("callback-var") or "", "callback-var")
    urls = tuple(url.strip() for url in str(wish.get("callbackUrl") or "").split(";") if url.strip())
    body, body_type = wish.get("callbackBody"), wish.get("callbackBodyType") or _FORM
    if not 1 <= len(urls) <= _MAX_URLS:
        raise invalid_argument("The callback configuration needs 1 to 5 URLs.", "callbackUrl", ";".join(urls))
    if not isinstance(body, str) or not body:
        raise invalid_argument("The callback body is empty.", "callbackBody", str(body))
    if body_type not in {_FORM, _JSON}:
        raise invalid_argument("The callback body type is not supported.", "callbackBodyType", str(body_type))
    return Callback(urls, body, body_type, {str(name): str(value) for name, value in own.items()})


def _decoded(text: str, name: str) -> dict[str, object]:
    if not text:
        return {}
    try:
        content = json.loads(base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError):
        content = None
    if not isinstance(content, dict):
        raise invalid_argument("The callback configuration is not Base64 of a JSON object.", name, text)
    return content


async def deliver(callback: Callback, record: ObjectRecord, answer: Answer) -> Answer:
    """Call the first URL that answers; raises ``CallbackFailed`` (203), with which the object stays."""
    headers = {"content-type": callback.body_type, "user-agent": "http-client/0.0.1", "x-oss-bucket": record.bucket}
    trouble = ""
    async with httpx.AsyncClient(timeout=_TIMEOUT_S, trust_env=False) as client:
        for url in callback.urls:
            try:
                reply = await client.post(url, content=_body(callback, record), headers=headers)
                if reply.status_code != 200:
                    trouble = f"Response http status code : {reply.status_code}"
                    continue
                json.loads(reply.content)
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                trouble = f"Error communicating with {url}: {type(error).__name__}"
            except ValueError:
                trouble = "Response body is not valid json format."
            else:
                kept = {name: value for name, value in answer.headers.items() if name != "content-type"}
                return Answer(200, {**kept, "content-type": _JSON}, reply.content)
    raise OssError("CallbackFailed", f"{trouble}.".replace("..", "."))


def _body(callback: Callback, record: ObjectRecord) -> bytes:
    values = {
        "bucket": record.bucket,
        "object": record.key,
        "etag": record.etag,
        "size": str(record.size),
        "mimeType": record.headers.get("content-type", ""),
        "crc64": str(record.crc64),
        **callback.variables,
    }

    def value_of(found: re.Match[str]) -> str:
        value = values.get(found[1], "")
        return json.dumps(value) if callback.body_type == _JSON else quote(value, safe="")

    return _VARIABLE.sub(value_of, callback.body).encode()
