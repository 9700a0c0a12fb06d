"""OpenTelemetry spans, as thin as they can be: where nobody exports them they cost next to nothing, and ids travel.

A request begins with ``serving``, a step of it is a ``span``, and whoever calls another service takes ``outgoing()``
along in its headers.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext

from opentelemetry import context as contexts
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import NonRecordingSpan, Span, SpanContext, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

_PROPAGATOR = TraceContextTextMapPropagator()
_tracer = trace.get_tracer("searchloom")
_exporting = False
_NOWHERE = nullcontext(trace.INVALID_SPAN)  # a span that nobody exports, a dozen of them in a search


def export_to(endpoint: str, service: str) -> None:
    """Send the spans of this process to an OTLP/HTTP endpoint from now on, in the background."""
    # Half a second to import, and only for those who want it.
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

    global _exporting  # noqa: PLW0603  one process, one exporter
    provider = TracerProvider(resource=Resource.create({"service.name": service}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint)))
    trace.set_tracer_provider(provider)
    _exporting = True


@contextmanager
def serving(name: str, headers: Mapping[str, str]) -> Iterator[Span]:
    """Run the block as the serving of a request, in the caller's trace, or in a new one."""
    context = _PROPAGATOR.extract(headers, Context())
    if _exporting:
        with span(name, context=context, kind=SpanKind.SERVER) as current:
            yield current
        return
    if not trace.get_current_span(context).get_span_context().is_valid:
        context = trace.set_span_in_context(_only_ids())
    attached = contexts.attach(context)
    try:
        yield trace.get_current_span()
    finally:
        contexts.detach(attached)


def span(
    name: str, *, context: Context | None = None, kind: SpanKind = SpanKind.INTERNAL
) -> AbstractContextManager[Span]:
    """Run the block in a span of its own; an error that leaves it is noted by its class alone, words may be secret."""
    return _recorded(name, context, kind) if _exporting else _NOWHERE


@contextmanager
def _recorded(name: str, context: Context | None, kind: SpanKind) -> Iterator[Span]:
    with _tracer.start_as_current_span(
        name, context=context, kind=kind, record_exception=False, set_status_on_exception=False
    ) as current:
        try:
            yield current
        except BaseException as error:
            current.set_status(Status(StatusCode.ERROR, type(error).__name__))
            raise


def calling(name: str) -> AbstractContextManager[Span]:
    """Span of a call to another service."""
    return span(name, kind=SpanKind.CLIENT)


def outgoing() -> dict[str, str]:
    """Headers that carry the present span to whoever is called."""
    headers: dict[str, str] = {}
    _PROPAGATOR.inject(headers)
    return headers


def trace_id() -> str:
    """Id of the present trace, 32 hex digits; empty outside of any."""
    found = trace.get_current_span().get_span_context()
    return trace.format_trace_id(found.trace_id) if found.is_valid else ""


def _only_ids() -> NonRecordingSpan:
    trace_number, span_number = random.getrandbits(128) or 1, random.getrandbits(64) or 1
    return NonRecordingSpan(SpanContext(trace_number, span_number, is_remote=False))
