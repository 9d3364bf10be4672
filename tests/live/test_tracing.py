"""Traces that a collector of OpenTelemetry receives from a real service."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from support.processes import Service, clean_environment, eventually, trajectory

from lindyn_service.configuration.settings import Settings, SettingsError
from lindyn_service.server.app import create_service

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = "00f067aa0ba902b7"


class Collector:
    """A server that receives spans by OTLP over HTTP."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.resource: dict[str, str] = {}

    @contextmanager
    def listening(self) -> Iterator[str]:
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                content = self.rfile.read(int(self.headers["Content-Length"]))
                if self.path == "/v1/traces":
                    collector.take(ExportTraceServiceRequest.FromString(content))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
            thread = threading.Thread(target=server.serve_forever)
            thread.start()
            yield f"http://127.0.0.1:{server.server_port}"
            server.shutdown()
            thread.join()

    def take(self, request: ExportTraceServiceRequest) -> None:
        for group in request.resource_spans:
            self.resource = {each.key: each.value.string_value for each in group.resource.attributes}
            for scope in group.scope_spans:
                self.spans += scope.spans

    def named(self, name: str, request_id: str) -> Span | None:
        """The span of a request."""
        for span in self.spans:
            if span.name == name and attributes(span).get("lindyn.request_id") == request_id:
                return span
        return None

    def stages(self, parent: Span) -> dict[str, Span]:
        return {span.name: span for span in self.spans if span.parent_span_id == parent.span_id}


def attributes(span: Span) -> dict[str, object]:
    return {each.key: getattr(each.value, str(each.value.WhichOneof("value"))) for each in span.attributes}


def test_a_request_and_its_stages(monkeypatch: pytest.MonkeyPatch) -> None:
    collector = Collector()
    with collector.listening() as endpoint:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "50")
        with Service(embedded_cache=True) as service, service.client() as client:
            headers = {"traceparent": f"00-{TRACE}-{PARENT}-01", "X-Request-ID": "mine-1"}
            client.get("/healthz")
            client.post("/v1/trajectories", json=trajectory(), headers=headers)
            client.post("/v1/trajectories", json=trajectory(), headers={"X-Request-ID": "mine-2"})
            client.post("/v1/trajectories", json={}, headers={"X-Request-ID": "mine-3"})
        route = "POST /v1/trajectories"
        miss, hit, refused = (eventually(lambda i=i: collector.named(route, f"mine-{i}")) for i in (1, 2, 3))
    assert miss.kind == Span.SPAN_KIND_SERVER
    assert (miss.trace_id.hex(), miss.parent_span_id.hex()) == (TRACE, PARENT)
    assert hit.trace_id != miss.trace_id
    found = attributes(miss)
    assert (found["http.route"], found["http.response.status_code"]) == ("/v1/trajectories", 200)
    assert (found["lindyn.cache"], found["lindyn.solver"]) == ("miss", "exact")
    assert attributes(hit)["lindyn.cache"] == "hit"
    assert attributes(refused)["http.response.status_code"] == 422
    stages = collector.stages(miss)
    assert set(stages) == {"read", "lookup", "queue", "compute"}
    assert set(collector.stages(hit)) == {"read"}
    slack = 10**6  # of the clocks, in ns
    for stage in stages.values():
        assert stage.trace_id == miss.trace_id
        assert miss.start_time_unix_nano - slack <= stage.start_time_unix_nano
        assert stage.start_time_unix_nano <= stage.end_time_unix_nano <= miss.end_time_unix_nano + slack
    ends = [stages[name].end_time_unix_nano for name in ("read", "lookup", "queue", "compute")]
    assert ends == sorted(ends)
    assert collector.resource["service.name"] == "lindyn"
    assert not [span for span in collector.spans if "healthz" in span.name]


def test_a_missing_collector_has_no_effect(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "50")
    monkeypatch.setenv("OTEL_BSP_EXPORT_TIMEOUT", "500")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    with Service() as service:
        assert service.post(trajectory()).status_code == 200
        eventually(lambda: "opentelemetry" in service.log())
        assert service.post(trajectory(seed=2)).status_code == 200


@pytest.mark.parametrize("variable", ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"])
def test_without_the_extra_it_does_not_start(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    monkeypatch.setenv(variable, "http://127.0.0.1:4318")
    with pytest.raises(SettingsError, match=r"pip install '\.\[otel\]'"):
        create_service(Settings())
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    create_service(Settings())


def test_tracing_is_imported_only_if_enabled() -> None:
    """The SDK alone may be imported, since redis-py does so."""
    source = (
        "import sys; from lindyn_service.server.app import create_service; "
        "from lindyn_service.configuration.settings import Settings; "
        "create_service(Settings()); print([name for name in sys.modules if name.startswith('opentelemetry.exporter')])"
    )
    environment = {name: value for name, value in clean_environment().items() if not name.startswith("OTEL_")}
    run = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, env=environment, check=True)
    assert run.stdout.strip() == "[]"
