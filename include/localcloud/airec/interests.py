"""What a behaviour says about the interest in an item; an expose says nothing but that it was shown."""

from __future__ import annotations

from collections.abc import Mapping

_INTEREST: Mapping[str, float] = {
    "expose": 0.0, "click": 1.0, "stay": 1.0, "like": 2.0, "comment": 2.0, "collect": 3.0, "share": 3.0,
    "download": 3.0, "subscribe": 3.0, "cart": 3.0, "tip": 4.0, "buy": 4.0,
    "unlike": -2.0, "dislike": -2.0, "negative": -2.0,
}  # fmt: skip
_OTHER_INTEREST = 1.0


def interest_of(fields: Mapping[str, str]) -> float:
    """The interest that a row of behaviour speaks of."""
    return _INTEREST.get(fields["bhv_type"], _OTHER_INTEREST)
