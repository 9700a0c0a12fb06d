"""What the followed runs did, from what their last tasks returned (counts through XCom)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from searchloom.orchestration.api import AirflowApi, Json
from searchloom.orchestration.follow import Run

_LAST_TASK = {
    "ingest_corpus": "commit",
    "embed_corpus": "announce",
    "load_search": "publish",
    "train_models": "clear_up",
}
_DOCUMENTS = ("new", "changed", "unchanged", "removed", "quarantined")
_VECTORS = ("embedded", "present")
_LOADED = ("written", "deleted", "current", "refused", "waiting")


def summary(api: AirflowApi, runs: list[Run]) -> Json:
    """Return state, runs and counts of everything that was followed; counts of several runs are added up."""
    results = {dag_id: _results(api, runs, dag_id) for dag_id in _LAST_TASK}
    engines: dict[str, Counter[str]] = {}
    for loaded in results["load_search"]:
        for engine, counts in loaded["engines"].items():
            engines.setdefault(engine, Counter()).update({name: counts[name] for name in _LOADED})
    ingested, embedded = results["ingest_corpus"], results["embed_corpus"]
    return {
        "state": "success" if all(run.state == "success" for run in runs) else "failed",
        "runs": [
            {"dag": run.dag_id, "run": run.run_id, "partition": run.key, "state": run.state, "seconds": run.seconds}
            for run in runs
        ],
        "documents": _sums(ingested, _DOCUMENTS),
        "chunks": sum(committed.get("chunks", 0) for committed in ingested),
        "vectors": _sums(embedded, _VECTORS),
        "engines": {engine: dict(counts) for engine, counts in engines.items()},
        "candidates": results["train_models"],
    }


def sentences(summary: Json) -> list[str]:
    """Return the summary in words, one line for each DAG that took part."""
    ran = {run["dag"] for run in summary["runs"] if run["state"] == "success"}
    lines = []
    if "ingest_corpus" in ran:
        lines.append(f"Documents: {_listed(summary['documents'])}; {summary['chunks']} chunks written")
    if "embed_corpus" in ran:
        lines.append(f"Vectors: {_listed(summary['vectors'])}")
    lines.extend(f"{engine}: {_listed(counts)}" for engine, counts in summary["engines"].items())
    lines.extend(_verdict(candidate) for candidate in summary["candidates"])
    seconds = sum(run["seconds"] for run in summary["runs"])
    lines.append(f"{len(summary['runs'])} runs, {seconds:.0f} s of run time, {summary['state']}")
    return lines


def _verdict(candidate: Json) -> str:
    outcome = "is the live release now" if candidate["promoted"] else "serves as before"
    return f"Candidate: {candidate['verdict']}. {candidate['summary']} Release {candidate['release']} {outcome}"


def _results(api: AirflowApi, runs: list[Run], dag_id: str) -> list[Json]:
    mine = (run for run in runs if run.dag_id == dag_id)
    found = (api.result(dag_id, run.run_id, _LAST_TASK[dag_id]) for run in mine)
    return [result for result in found if isinstance(result, dict)]


def _sums(results: Iterable[Json], names: Iterable[str]) -> dict[str, int]:
    rows = list(results)
    return {name: sum(row.get(name) or 0 for row in rows) for name in names}


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{n} {name.replace('_', ' ')}" for name, n in counts.items())
