"""Logs as JSON, one object a line, each with the request and the trace that it belongs to."""

from __future__ import annotations

import json
import logging
import time
from contextvars import ContextVar

from searchloom import tracing

request_id: ContextVar[str] = ContextVar("request_id", default="")
"""Of the request that is being served; everything that is begun for it inherits it."""


class JsonLines(logging.Formatter):
    """Every record as one JSON object: time, level, logger, message, and what is known of its request."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(record.created)),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            "request_id": request_id.get(),
            "trace_id": tracing.trace_id(),
            "error": self.formatException(record.exc_info) if record.exc_info else "",
        }
        return json.dumps({name: value for name, value in line.items() if value}, ensure_ascii=False)
