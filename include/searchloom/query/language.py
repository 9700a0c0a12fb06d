"""Which language a query is in, as far as its script tells: enough to choose a fusion weight."""

from __future__ import annotations

import re

UNKNOWN = ""

# Kana before Han: Japanese uses both, Chinese only Han.
_SCRIPTS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("ja", re.compile(r"[\u3040-\u30ff\u31f0-\u31ff]")),
    ("ko", re.compile(r"[\u1100-\u11ff\u3130-\u318f\uac00-\ud7af]")),
    ("zh", re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")),
    ("ru", re.compile(r"[\u0400-\u04ff]")),
    ("ar", re.compile(r"[\u0600-\u06ff\u0750-\u077f]")),
    ("he", re.compile(r"[\u0590-\u05ff]")),
    ("el", re.compile(r"[\u0370-\u03ff]")),
    ("th", re.compile(r"[\u0e00-\u0e7f]")),
    ("hi", re.compile(r"[\u0900-\u097f]")),
)
_LATIN = re.compile(r"[A-Za-z]")


def of_query(text: str) -> str:
    """ISO 639-1 code of the query's script: ``zh`` for Han, ``en`` for Latin, ``""`` when there are no letters.

    A script of its own wins over Latin: ``pandas 怎么合并表格`` is a Chinese question about an English name.
    """
    for code, script in _SCRIPTS:
        if script.search(text):
            return code
    return "en" if _LATIN.search(text) else UNKNOWN
