"""How a training goes: log lines for whoever watches, records for the card's folder, and a picture of them."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Sequence
from typing import Any

log = logging.getLogger(__name__)

Record = dict[str, Any]


class Progress:
    """The records of one training, in order; a resumed training goes on with those of its checkpoint.

    A record is ``{"event": "steps", "step", "loss", "rate", "seconds"}``, ``{"event": "dev", "step", measure: value}``
    or a note with other fields.
    """

    def __init__(self, records: Sequence[Record] = ()) -> None:
        self.records = list(records)

    def steps(self, *, step: int, of: int, loss: float, rate: float, seconds: float, left_s: float) -> None:
        """Note the mean loss since the last note."""
        self.records.append({"event": "steps", "step": step, "loss": loss, "rate": rate, "seconds": round(seconds, 1)})
        log.info(
            "step %d of about %d: loss %.4f, learning rate %.1e, %.0f s so far, about %.1f minutes left",
            step, of, loss, rate, seconds, left_s / 60,
        )  # fmt: skip

    def dev(self, *, step: int, figures: dict[str, float], seconds: float, what: str) -> None:
        """Note what an evaluation found."""
        self.records.append({"event": "dev", "step": step, "what": what, "took": round(seconds, 1), **figures})
        log.info(
            "dev, %s: %s (%.0f s)", what, ", ".join(f"{name} {value:.4f}" for name, value in figures.items()), seconds
        )

    def note(self, event: str, **fields: Any) -> None:
        """Note anything else; the caller writes the sentence."""
        self.records.append({"event": event, **fields})

    def jsonl(self) -> bytes:
        """Return the records as JSON lines."""
        return "".join(json.dumps(record) + "\n" for record in self.records).encode()

    def curve(self, *, title: str, measure: str) -> bytes:
        """Return a picture (SVG) of the loss and of one measure on dev by step."""
        import matplotlib as mpl  # noqa: PLC0415  half a second, once

        mpl.use("svg")
        from matplotlib import pyplot as plt  # noqa: PLC0415  the backend is chosen first

        steps = [record for record in self.records if record["event"] == "steps"]
        dev = [record for record in self.records if record["event"] == "dev" and measure in record]
        with mpl.rc_context({"svg.hashsalt": title, "svg.fonttype": "none", "font.size": 9}):
            figure, left = plt.subplots(figsize=(6.4, 3.2), layout="constrained")
            left.plot([record["step"] for record in steps], [record["loss"] for record in steps], color="#888888")
            left.set(xlabel="step", ylabel="loss", title=title)
            right = left.twinx()
            right.plot([record["step"] for record in dev], [record[measure] for record in dev], "o", color="#d9480f")
            right.set_ylabel(f"{measure} on dev", color="#d9480f")
            buffer = io.BytesIO()
            figure.savefig(buffer, format="svg", metadata={"Date": None})
            plt.close(figure)
        return buffer.getvalue()
