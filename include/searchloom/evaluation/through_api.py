"""Judge what users get: queries go through the query API, not past it."""

from __future__ import annotations

from searchloom.evaluation.runs import DEPTH, Answer, Found
from searchloom.settings import EngineName, Settings
