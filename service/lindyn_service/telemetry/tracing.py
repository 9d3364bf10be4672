"""Spans for OpenTelemetry, where the environment names a collector (OTEL_EXPORTER_OTLP_ENDPOINT); the extra `otel`.

The framework makes a span of each request, with the trace context that the caller sent (W3C traceparent). Ours are the
stages that metrics count, as its children.
"""

import os
import time
from collections.abc import Mapping, MutableMapping
from typing import TYPE_CHECKING, Any

from opentelemetry import trace

from lindyn._install_hint import how_to_install
from lindyn_service.configuration.settings import SettingsError

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_PROBES = ("/healthz", "/readyz", "/metrics")


class Tracing:
    """Sends spans in a thread of its own, some at a time; they are lost, and said to be, where nobody takes them.

    Args:
        version: of this service.

    Raises:
        SettingsError: the extra `otel` is not installed.
    """

    def __init__(self, version: str) -> None:
        self.provider = _provider(version)
        self._tracer = self.provider.get_tracer("lindyn", version)

    def stage(self, name: str, seconds: float) -> None:
        """Note a part of the present request that ended now."""
        end = time.time_ns()
        self._tracer.start_span(name, start_time=end - int(1e9 * seconds)).end(end)

    def shut_down(self) -> None:
        """Send what is left; waits for that."""
        self.provider.shutdown()


def wanted() -> bool:
    """Whether the environment, by OpenTelemetry's own variables, names a collector."""
    off = os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true"
    return not off and any(os.environ.get(name) for name in _ENDPOINTS)


def is_probe(scope: MutableMapping[str, Any]) -> bool:
    """Whether nobody wants a trace of this request."""
    return scope.get("path") in _PROBES


def name_route(method: str, path: str) -> None:
    """Name the span of a request that is answered before the framework looks for its route, as that would."""
    span = trace.get_current_span()
    if span.is_recording():
        span.update_name(f"{method} {path}")
        span.set_attribute("http.route", path)


def describe(attributes: Mapping[str, object]) -> None:
    """Say more about the present request; nothing happens where it is not traced."""
    span = trace.get_current_span()
    if span.is_recording():
        known = {name: value for name, value in attributes.items() if isinstance(value, str | int | float)}
        span.set_attributes({f"lindyn.{name}": value for name, value in known.items()})


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
    ours = {"service.name": "lindyn", "service.version": version}
    if os.environ.get("OTEL_SERVICE_NAME"):
        del ours["service.name"]
    provider = TracerProvider(resource=Resource.create(ours), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return provider
