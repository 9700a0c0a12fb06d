"""DescribeInstance of Elasticsearch 2017-06-13: what the engine itself says of its version and health."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx

from localcloud.acs.errors import AcsError
from localcloud.acs.request import AcsRequest
from localcloud.acs.service import Operation, Product

_TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True)
class ElasticsearchService:
    """One instance, whatever it is called: the engine at ``url`` (``http://user:password@host:port``), if any."""

    url: str
    region: str

    def product(self) -> Product:
        """What the dispatcher needs to know."""
        operation = Operation("GET", "/openapi/instances/{instance}", self.describe_instance)
        return Product("elasticsearch", "2017-06-13", {"DescribeInstance": operation})

    def describe_instance(self, request: AcsRequest) -> dict[str, Any]:
        """Address, version and status (``active``, ``activating`` while shards are missing, ``invalid``: no answer)."""
        instance = request.path_parameters["instance"]
        if not self.url:
            message = f"The instance {instance} does not exist; the local cloud was started without an engine."
            raise AcsError(404, "InstanceNotFound", message)
        parts = urlsplit(self.url)
        number, status, nodes = self._look()
        result = {
            "instanceId": instance,
            "description": instance,
            "status": status,
            "esVersion": number,
            "domain": parts.hostname,
            "port": parts.port or (443 if parts.scheme == "https" else 80),
            "protocol": parts.scheme.upper(),
            "nodeAmount": nodes,
            "paymentType": "postpaid",
            "regionId": self.region,
        }
        return {"Result": {name: value for name, value in result.items() if value is not None}}

    def _look(self) -> tuple[str | None, str, int | None]:
        try:
            with httpx.Client(base_url=self.url, timeout=_TIMEOUT_S, trust_env=False) as client:
                about = client.get("/").raise_for_status().json()
                health = client.get("/_cluster/health").raise_for_status().json()
            number, color, nodes = about["version"]["number"], health["status"], health["number_of_nodes"]
        except (httpx.HTTPError, ValueError, KeyError, TypeError):
            return None, "invalid", None
        return str(number), "activating" if color == "red" else "active", int(nodes)
