from __future__ import annotations

from rich.console import Console

from searchloom.demo import commands


def test_a_busy_machine_trains_no_reranker_and_it_is_said():
    console = Console(record=True, width=120)
    assert commands._minutes(300.0, console)["reranker_minutes"] > 0
    assert not console.export_text()
    busy = commands._minutes(500.0, console)
    assert busy["reranker_minutes"] == 0 < busy["embedding_minutes"]
    assert "no reranker is trained" in console.export_text()
