"""What Prometheus may ask: requests, searches by part, engines, what was left out, how full the service is."""

from __future__ import annotations

from prometheus_client import CONTENT_TYPE_LATEST, Counter, Gauge, Histogram, generate_latest

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

_requests = Histogram(
    "searchloom_request_seconds", "Time of requests.", ("route", "method", "status"), buckets=_SECONDS
)
_steps = Histogram("searchloom_step_seconds", "Time of the steps of searches.", ("step",), buckets=_SECONDS)
_engine_calls = Counter("searchloom_engine_searches", "Searches of an engine.", ("engine", "outcome"))
_degraded = Counter("searchloom_degraded", "Answers that a part was left out of.", ("part",))
_corrected = Counter("searchloom_corrected", "Searches whose spelling was corrected.")
_refused = Counter("searchloom_overload", "Requests refused because the service was full.")
_breakers = Gauge("searchloom_engine_circuit", "Circuit of an engine: 0 closed, 1 half-open, 2 open.", ("engine",))
_working = Gauge("searchloom_working", "Searches under way.")
_waiting = Gauge("searchloom_waiting", "Searches that wait for their turn.")
_release = Gauge("searchloom_release", "Number of the live release.", ("corpus",))
_ready = Gauge("searchloom_ready", "Whether the service said that it is ready, when it was last asked.")

CONTENT_TYPE = CONTENT_TYPE_LATEST
_STATES = {"closed": 0, "half-open": 1, "open": 2}


def text() -> bytes:
    """Everything, as Prometheus reads it."""
    return generate_latest()


def request(route: str, method: str, status: int, seconds: float) -> None:
    """Count a request; ``route`` is the path as it was declared, so that there are few of them."""
    _requests.labels(route, method, str(status)).observe(seconds)


def step(name: str, seconds: float) -> None:
    """Note how long a step took."""
    _steps.labels(name).observe(seconds)


def engine_search(engine: str, outcome: str) -> None:
    """Count a search of an engine: ``served``, ``failed``, ``late`` or ``refused``."""
    _engine_calls.labels(engine, outcome).inc()


def degraded(part: str) -> None:
    """Count a part that was left out of an answer."""
    _degraded.labels(part).inc()


def corrected() -> None:
    """Count a corrected search."""
    _corrected.inc()


def refused() -> None:
    """Count a request that there was no room for."""
    _refused.inc()


def breaker(engine: str, state: str) -> None:
    """Show the state of an engine's circuit."""
    _breakers.labels(engine).set(_STATES[state])


def load(working: int, waiting: int) -> None:
    """Show how full the service is."""
    _working.set(working)
    _waiting.set(waiting)


def release(corpus: str, number: int) -> None:
    """Show which release serves."""
    _release.labels(corpus).set(number)


def ready(*, is_ready: bool) -> None:
    """Show what the service last said of itself."""
    _ready.set(is_ready)
