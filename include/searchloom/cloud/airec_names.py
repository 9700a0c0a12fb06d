"""How our people, documents and traces are called in AIRec: the sync that pushes them and the query module agree here.

AIRec's rules: an ``item_id`` is at most 50 letters and digits; behaviour that follows a recommendation brings its
``trace_info`` back beside the ``trace_id`` ``ali``, all other behaviour says ``selfhold``.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import Any
from urllib.parse import quote

from searchloom.cloud.airec_rows import MAX_ITEM_ID, Recommendation

MAX_USER_ID = 255
OF_AIREC = "ali"
SELFHOLD = "selfhold"
_ESCAPE = "X0"


def user_key(tenant: str, user: str) -> str:
    """A person's id in AIRec: people of two tenants are never the same one.

    Where it would be too long, a hash stands for it; that has no slash, so that it is nobody else's.
    """
    key = f"{tenant.replace('%', '%25').replace('/', '%2F')}/{user}"
    return key if len(key) <= MAX_USER_ID else hashlib.sha256(key.encode()).hexdigest()


def tenant_of(key: str) -> str:
    """The tenant of a person that ``user_key`` named; empty where a hash stands for both."""
    tenant, slash, _ = key.partition("/")
    return tenant.replace("%2F", "/").replace("%25", "%") if slash else ""


def item_id(doc_id: str) -> str:
    """A document's id in AIRec: its own where that is legal, as those of ``identity.doc_id`` are; else an escaped one.

    An id of more than 30 bytes that is not legal has no legal form: what comes out is refused by ``airec_rows.flaw``.
    """
    if doc_id.isascii() and doc_id.isalnum() and len(doc_id) <= MAX_ITEM_ID and not doc_id.startswith(_ESCAPE):
        return doc_id
    return _ESCAPE + base64.b32encode(doc_id.encode()).decode().rstrip("=")


def doc_id(item: str) -> str:
    """The document that an id in AIRec stands for; an id that was not made here stands for itself."""
    if not item.startswith(_ESCAPE):
        return item
    escaped = item.removeprefix(_ESCAPE)
    try:
        return base64.b32decode(escaped + "=" * (-len(escaped) % 8)).decode()
    except (binascii.Error, ValueError):
        return item


def trace_of(one: Recommendation) -> str:
    """What goes back with events: AIRec's trace id and, behind a colon, the trace info that belongs to it."""
    return f"{one.trace_id}:{one.trace_info}"


def trace_fields(trace: object) -> dict[str, str]:
    """The fields ``trace_id`` and ``trace_info`` of behaviour, from what ``trace_of`` made, or from any other trace."""
    head, _, info = trace.partition(":") if isinstance(trace, str) else ("", "", "")
    return {"trace_id": OF_AIREC, "trace_info": info} if head == OF_AIREC and info else {"trace_id": SELFHOLD}


def scope_tags(tenant: str, corpus: str) -> list[str]:
    """The tags of an item that say whose it is: several corpora and tenants may share an instance."""
    return [f"corpus-{corpus}", f"tenant-{quote(tenant, safe='')}"]


def scope(tenant: str, corpus: str) -> dict[str, Any]:
    """AIRec's filter for the documents of one tenant in one corpus."""
    wanted = scope_tags(tenant, corpus)
    return {"join": "and", "filters": [{"cond": "contain", "field": "tags", "value": tag} for tag in wanted]}
