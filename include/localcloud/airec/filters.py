"""The ``filter`` of a recommendation: Base64 of a JSON tree of conditions on an item's fields.

Form: https://help.aliyun.com/en/airec/airec/use-cases/use-the-recommendation-filtering-feature-to-customize-the-filtering-of-feed-streams
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from typing import Any

from localcloud.acs.errors import AcsError

Condition = Callable[[Mapping[str, str]], bool]

_MAX_CONDITIONS = 10
_MAX_DEPTH = 3
# Fields that hold several values have them joined with commas.
_TESTS: Mapping[str, Callable[[str, str], bool]] = {
    "contain": lambda field, value: value in field.split(","),
    "not_contain": lambda field, value: value not in field.split(","),
    "equal": lambda field, value: field == value,
    "not_equal": lambda field, value: field != value,
}


def condition_of(text: str) -> Condition:
    """Read a filter; raises ``InvalidParameter``. Both Base64 alphabets are taken: ``+/=`` and AIRec's own ``-_.``."""
    try:
        tree = json.loads(base64.b64decode(text.translate(str.maketrans("-_.", "+/=")), validate=True))
    except ValueError:
        raise _refused("is not Base64 of JSON") from None
    counted = [0]
    return _condition(tree, 1, counted)


def _condition(tree: Any, depth: int, counted: list[int]) -> Condition:
    if not isinstance(tree, dict):
        raise _refused(f"has {tree!r} where an object must be")
    if depth > _MAX_DEPTH:
        raise _refused(f"is nested deeper than {_MAX_DEPTH} levels")
    if "join" in tree:
        parts = tree.get("filters")
        if tree["join"] not in {"and", "or"} or not isinstance(parts, list) or not parts:
            raise _refused("needs join: and|or, and filters: a list that is not empty")
        conditions = [_condition(part, depth + 1, counted) for part in parts]
        combine = all if tree["join"] == "and" else any
        return lambda fields: combine(condition(fields) for condition in conditions)
    counted[0] += 1
    if counted[0] > _MAX_CONDITIONS:
        raise _refused(f"has more than {_MAX_CONDITIONS} conditions")
    test = _TESTS.get(str(tree.get("cond")))
    name, value = tree.get("field"), tree.get("value")
    if test is None or not isinstance(name, str) or not isinstance(value, str):
        raise _refused(f"needs cond: {'|'.join(_TESTS)}, field and value, not {tree!r}")
    return lambda fields: test(fields.get(name, ""), value)


def _refused(reason: str) -> AcsError:
    return AcsError(400, "InvalidParameter", f"The parameter filter {reason}.")
