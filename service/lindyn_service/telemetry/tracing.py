"""OpenTelemetry spans, if the environment names a collector (OTEL_EXPORTER_OTLP_ENDPOINT); needs the extra `otel`.

FastAPI creates a span for each request, in the trace context that the client sent (W3C traceparent). This module adds
child spans for the stages that the metrics measure.
"""

import os
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from opentelemetry import trace
from starlette.types import Scope

from lindyn._install_hint import how_to_install
from lindyn_service.configuration.settings import SettingsError

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_PROBES = ("/healthz", "/readyz", "/metrics")


class Tracing:
    """Exports spans in batches in a separate thread; if the collector is unreachable, they are dropped with a log line.

    Args:
        version: version of this service.

    Raises:
        SettingsError: the extra `otel` is not installed.
    """

    def __init__(self, version: str) -> None:
        self.provider = _provider(version)
        self._tracer = self.provider.get_tracer("lindyn", version)

    def stage(self, name: str, seconds: float) -> None:
        """Record a span for a stage of the current request that has just ended."""
        end = time.time_ns()
        self._tracer.start_span(name, start_time=end - int(1e9 * seconds)).end(end)

    def shut_down(self) -> None:
        """Export the remaining spans; blocks until that is done."""
        self.provider.shutdown()


def is_configured() -> bool:
    """Return whether the environment variables of OpenTelemetry name a collector."""
    is_disabled = os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true"
    return not is_disabled and any(os.environ.get(name) for name in _ENDPOINTS)


def is_probe(scope: Scope) -> bool:
    """Return whether a request is a health or metrics probe, which is not traced."""
    return scope.get("path") in _PROBES


def name_route(method: str, path: str) -> None:
    """Name the span of a request that is answered before routing, as FastAPI would name it."""
    span = trace.get_current_span()
    if span.is_recording():
        span.update_name(f"{method} {path}")
        span.set_attribute("http.route", path)


def add_attributes(attributes: Mapping[str, object]) -> None:
    """Add attributes to the span of the current request, if it is traced."""
    span = trace.get_current_span()
    if span.is_recording():
        scalars = {name: value for name, value in attributes.items() if isinstance(value, str | int | float)}
        span.set_attributes({f"lindyn.{name}": value for name, value in scalars.items()})


def _provider(version: str) -> "TracerProvider":
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415 (an extra)
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
    except ImportError as error:
        raise SettingsError(
            f"{_ENDPOINTS[1]} names a collector for traces, and {error.name} is not installed: unset the variable, or "
            f"{how_to_install('otel')}"
        ) from None
    resource = {"service.name": "lindyn", "service.version": version}
    if os.environ.get("OTEL_SERVICE_NAME"):
        del resource["service.name"]
    provider = TracerProvider(resource=Resource.create(resource), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return provider
