"""The object store's client, opened where nobody waits for it: importing the vendor's library takes half a second."""

from __future__ import annotations

from typing import TYPE_CHECKING

from searchloom.settings import Oss as OssSettings

if TYPE_CHECKING:
    from searchloom.cloud.oss import Oss


def open_store(settings: OssSettings) -> Oss:
    """Return a client of the bucket; call it from a thread, never while a request waits."""
    from searchloom.cloud.oss import Oss  # noqa: PLC0415  see above

    return Oss(settings)
