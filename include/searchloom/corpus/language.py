"""The language of a text, ISO 639-1: by script for Chinese, Japanese and Korean, else by py3langid."""

from __future__ import annotations

import re
from collections import Counter
from functools import lru_cache
from typing import Any

DEFAULT = "en"
_SAMPLE = 500  # characters that the verdict is made of
_SHORT = 80  # letters; below it a verdict on one text alone is a guess
_SURE = 0.9  # probability below which the other texts of the file decide
_KANA = re.compile(r"[\u3040-\u30ff\uff66-\uff9f]")
_HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0002fa1f]")
_HANGUL = re.compile(r"[\u1100-\u11ff\uac00-\ud7af]")
_LETTER = re.compile(r"[^\W\d_]")
_CODE = re.compile(r"[a-z]{2}")


def normalise(code: str) -> str | None:
    """``en-US`` or ``EN`` to ``en``; None where it is no ISO 639-1 code."""
    short = code.strip().lower().replace("_", "-").split("-")[0]
    return short if _CODE.fullmatch(short) else None


def by_script(text: str) -> str | None:
    """``zh``, ``ja`` or ``ko`` where the script says so, else None."""
    sample = text[:_SAMPLE]
    if sample.isascii():
        return None
    han, kana, hangul = (len(script.findall(sample)) for script in (_HAN, _KANA, _HANGUL))
    cjk = han + kana + hangul
    letters = len(_LETTER.findall(sample))
    # one Chinese character carries about what three Latin letters do
    if not cjk or cjk * 3 < letters - cjk:
        return None
    if hangul > han + kana:
        return "ko"
    return "ja" if kana * 10 > cjk else "zh"


class Detector:
    """Names languages, and keeps the votes of one file's longer texts: they decide for its short ones."""

    def __init__(self) -> None:
        self._votes: Counter[str] = Counter()

    def detect(self, texts: list[str]) -> list[str]:
        """Return the language of each text; texts of one file should come in the order of the file."""
        verdicts = [self._verdict(text) for text in texts]
        self._votes.update(verdict for verdict in verdicts if verdict)
        common = self._votes.most_common(1)
        fallback = common[0][0] if common else DEFAULT
        return [verdict or fallback for verdict in verdicts]

    @staticmethod
    def _verdict(text: str) -> str | None:
        script = by_script(text)
        if script:
            return script
        sample = " ".join(text[: _SAMPLE * 2].split())[:_SAMPLE]
        if len(_LETTER.findall(sample)) < _SHORT:
            return None
        language, probability = _identifier().classify(sample)
        return normalise(language) if probability >= _SURE else None


@lru_cache(maxsize=1)
def _identifier() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier  # noqa: PLC0415  loading takes half a second

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
