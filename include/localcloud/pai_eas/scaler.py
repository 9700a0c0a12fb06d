"""How many instances the traffic needs."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from typing import Any

from localcloud.acs.errors import AcsError, invalid_parameter, missing_parameter, number_in, objects_in
from localcloud.acs.request import AcsRequest

_WINDOW_S = 5.0
# Fewer instances only after the traffic was low this long.
_CALM_S = 60.0
_METRIC = "qps"
_MAX_REPLICAS = 8


def scaler_of(request: AcsRequest) -> dict[str, Any]:
    """The autoscaler that the request describes; raises ``InvalidParameter``."""
    asked = request.json()
    if "min" not in asked or "max" not in asked:
        raise missing_parameter("min and max")
    low = number_in(asked, "min", 1, low=0, high=_MAX_REPLICAS)
    high = number_in(asked, "max", 1, low=max(low, 1), high=_MAX_REPLICAS)
    strategies = objects_in(asked, "scaleStrategies")
    if not strategies or any(each.get("metricName") != _METRIC for each in strategies):
        raise AcsError(400, "InvalidParameter", f"scaleStrategies must be given with the metricName {_METRIC!r} here.")
    if any(not isinstance(each.get("threshold"), int | float) or each["threshold"] <= 0 for each in strategies):
        raise invalid_parameter("threshold", strategies, "a positive number")
    return {"min": low, "max": high, "scaleStrategies": strategies, "behavior": asked.get("behavior") or {}}


class Scaler:
    """Counts a service's requests and says how many instances keep each below the threshold."""

    def __init__(self) -> None:
        self.requests = 0
        self._since = time.monotonic()
        self._busy = time.monotonic()
        self.qps = 0.0

    def instances(self, scaler: Mapping[str, Any], current: int) -> int:
        """The number of instances, between the scaler's limits."""
        now = time.monotonic()
        wanted = current
        if now - self._since >= _WINDOW_S:
            self.qps = self.requests / (now - self._since)
            self.requests, self._since = 0, now
            threshold = min(each["threshold"] for each in scaler["scaleStrategies"])
            needed = math.ceil(self.qps / threshold)
            if needed >= current:
                self._busy = now
            wanted = needed if needed > current or now - self._busy > _CALM_S else current
        return int(min(max(wanted, scaler["min"]), scaler["max"]))
