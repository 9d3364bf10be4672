"""All failures as exceptions, raised by a real service or by other servers."""

import math
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import httpx
import numpy as np
import pytest
from support.holding import QUEUED, held, suspended
from support.processes import Service, eventually, long_trajectory, trajectory

import lindyn
from lindyn.wire import npz

pytestmark = pytest.mark.live

BALANCED: dict[str, Any] = {"kind": "balanced", "dims": [2, 2, 2], "lambda": 0.5, "seed": 1}
SIGMA_YX = np.diag([3.0, 1.0])
ENDLESS = 40_000  # times, which take a thousand times as long as it takes to see that a worker has them

ROTATION = np.array([[0.6, 0.8], [-0.8, 0.6]])  # mixes the modes of the task


@pytest.fixture(scope="module")
def strict() -> Iterator[Service]:
    with Service(tcp=True, queue=0, max_body_bytes=100_000) as service:
        yield service


@pytest.fixture
def narrow(strict: Service) -> Iterator[lindyn.Client]:
    """A client of a service with small limits, when it is ready."""
    eventually(lambda: strict.readiness()["ready"])
    with lindyn.Client(strict.url, patience_seconds=0) as client:
        yield client


def test_an_invalid_request(client: lindyn.Client) -> None:
    with pytest.raises(lindyn.RequestError) as caught:
        client.trajectory(network={**BALANCED, "width": 3}, task=SIGMA_YX, times=[1.0, 0.5], quantities=["los"])
    problem = caught.value.problem
    assert (problem.status, problem.code) == (422, "invalid-request")
    assert {error.path for error in problem.errors} == {"network.width", "times", "quantities.0"}
    for error in problem.errors:
        assert f"  {error.path}: {error.detail}" in str(caught.value)
    assert f"  request {problem.request_id}" in str(caught.value)


@pytest.mark.parametrize("bad", [math.nan, math.inf, np.float32("nan")], ids=str)
@pytest.mark.parametrize("task", [SIGMA_YX, SIGMA_YX.tolist()], ids=["npz", "json"])
def test_values_that_are_not_numbers(client: lindyn.Client, task: Any, bad: float) -> None:
    with pytest.raises(lindyn.RequestError, match=r"network\.lambda"):
        client.trajectory(network={**BALANCED, "lambda": bad}, task=task, times=[0.0])


def test_arrays_that_are_not_finite(client: lindyn.Client) -> None:
    with pytest.raises(lindyn.RequestError, match=r"task: got nan at \[1, 0\]"):
        client.trajectory(network=BALANCED, task=np.array([[1, 2], [np.nan, 4]]), times=[0.0])


def test_infeasible_balance(client: lindyn.Client) -> None:
    with pytest.raises(lindyn.InfeasibleBalanceError, match=r"network\.lambda"):
        client.trajectory(network={**BALANCED, "dims": [2, 3, 2]}, task=SIGMA_YX, times=[0.0])


def test_not_balanced(client: lindyn.Client) -> None:
    weights = [np.eye(2), np.array([[1.0, 2.0], [0.0, 1.0]])]
    with pytest.raises(lindyn.NotBalancedError, match="nearest lambda"):
        client.trajectory(network={"kind": "weights", "weights": weights}, task=SIGMA_YX, times=[0.0], method="exact")


def test_not_applicable(client: lindyn.Client) -> None:
    with pytest.raises(lindyn.NotApplicableError, match="two weight layers, got 3"):
        client.trajectory(
            network={"kind": "weights", "weights": [ROTATION, np.eye(2), np.eye(2)]},
            task=SIGMA_YX,
            times=[0.0],
            method="exact",
        )


def test_diverged(client: lindyn.Client) -> None:
    with pytest.raises(lindyn.DivergedError, match=r"divide method\.learning_rate by 2"):
        client.trajectory(
            network={"kind": "weights", "weights": [np.eye(2)] * 2},
            task=SIGMA_YX,
            times=[0.0, 1e4],
            method={"kind": "descent", "learning_rate": 10.0},
        )


def test_too_large(client: lindyn.Client) -> None:
    times = {"start": 0, "stop": 1, "num": 1_000_000}
    with pytest.raises(lindyn.TooLargeError, match="the limit is"):
        client.trajectory(
            network={**BALANCED, "dims": [150, 2, 150]}, task={"kind": "regression", "samples": 9}, times=times
        )


@pytest.mark.parametrize("size", [200, 1000])
def test_too_large_a_body(narrow: lindyn.Client, size: int) -> None:
    with pytest.raises(lindyn.TooLargeError, match="100000 bytes"):
        narrow.trajectory(network={**BALANCED, "dims": [size] * 3}, task=np.ones((size, size)), times=[0.0])


def test_a_key_without_a_stored_answer(client: lindyn.Client) -> None:
    with pytest.raises(lindyn.NotFoundError, match="post the request again"):
        client.stored("0" * 64)


def test_a_problem_of_an_unknown_code(service: Service) -> None:
    class Deleting(httpx.HTTPTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            request.method = "DELETE"
            return super().handle_request(request)

    with lindyn.Client(service.url, transport=Deleting()) as client, pytest.raises(lindyn.ProblemError) as caught:
        client.about()
    assert type(caught.value) is lindyn.ProblemError
    assert caught.value.problem.code == "method-not-allowed"


def test_busy(strict: Service, narrow: lindyn.Client) -> None:
    with held(strict, trajectory()) as running, pytest.raises(lindyn.BusyError, match="busy"):
        narrow.trajectory(network=BALANCED, task=SIGMA_YX, times=[0.0])
    assert running.result().status_code == 200


def test_deadline() -> None:
    with (
        Service(deadline_seconds=0.5, tcp=True) as service,
        lindyn.Client(service.url) as client,
        suspended(service.workers()),
        pytest.raises(lindyn.DeadlineError, match=r"0\.5 s"),
    ):
        client.trajectory(network=BALANCED, task=SIGMA_YX, times=[0.0])


def test_a_computation_that_kills_its_workers(client: lindyn.Client, service: Service) -> None:
    before = service.metric(QUEUED)
    answer = service.threads.submit(client.trajectory, **long_trajectory(ENDLESS))
    for attempt in (1, 2):
        eventually(lambda attempt=attempt: service.metric(QUEUED) == before + attempt)
        (worker,) = service.workers()
        worker.kill()
    with pytest.raises(lindyn.ServiceFailedError, match="worker-lost"):
        answer.result()
    eventually(lambda: service.readiness()["ready"])


def test_an_address_without_a_server() -> None:
    with (
        lindyn.Client("http://127.0.0.1:1") as client,
        pytest.raises(lindyn.UnreachableError, match=r"no answer from http://127.0.0.1:1/v1/about .*lindyn serve"),
    ):
        client.about()


def test_a_server_that_does_not_answer_in_time(strict: Service) -> None:
    eventually(lambda: strict.readiness()["ready"])
    with (
        suspended(strict.workers()),
        lindyn.Client(strict.url, timeout_seconds=0.3) as client,
        pytest.raises(lindyn.UnreachableError, match="ReadTimeout"),
    ):
        client.trajectory(network=BALANCED, task=SIGMA_YX, times=[0.0])


@contextmanager
def something_else(status: int, content_type: str, body: bytes, encoding: str = "identity") -> Iterator[str]:
    """A server with the same answer to all requests."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Content-Encoding", encoding)
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        serving = threading.Thread(target=server.serve_forever, args=(0.01,))
        serving.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        serving.join()


def asks_about(client: lindyn.Client) -> None:
    client.about()


def asks_for_a_trajectory(client: lindyn.Client) -> None:
    client.trajectory(network=BALANCED, task=SIGMA_YX, times=[0.0])


def asks_for_a_stored_one(client: lindyn.Client) -> None:
    client.stored("0" * 64)


PAGE = b"<html><h1>502 Bad Gateway</h1></html>"
ASKS = [asks_about, asks_for_a_trajectory, asks_for_a_stored_one]


@pytest.mark.parametrize("ask", ASKS)
@pytest.mark.parametrize(
    ("status", "content_type", "body", "says"),
    [
        (502, "text/html", PAGE, "502 with text/html"),
        (502, "application/json", b'{"error": "no backend"}', "502 with application/json"),
        (302, "text/html", PAGE, "302 with text/html"),
        (200, "text/html", PAGE, "cannot be read"),
        (200, "application/x-npz", npz.pack({"key": "x"}, {"times": np.zeros(1)}), "cannot be read"),
        (200, "application/x-npz", npz.pack({}, {}), "cannot be read"),
    ],
)
def test_a_server_that_is_not_lindyn(
    ask: Callable[[lindyn.Client], None], status: int, content_type: str, body: bytes, says: str
) -> None:
    with something_else(status, content_type, body) as url, lindyn.Client(url, patience_seconds=0) as client:
        with pytest.raises(lindyn.UnexpectedReplyError, match=says) as caught:
            ask(client)
        assert url in str(caught.value)


def test_a_problem_of_another_version() -> None:
    body = b'{"type": "/problems/new", "code": "new", "title": "New", "status": 400, "detail": "something new"}'
    with (
        something_else(400, "application/problem+json", body) as url,
        lindyn.Client(url) as client,
        pytest.raises(lindyn.ProblemError, match=r"^something new \(new\)$"),
    ):
        client.about()


def test_a_broken_proxy() -> None:
    with (
        something_else(200, "text/html", PAGE, encoding="gzip") as url,
        lindyn.Client(url) as client,
        pytest.raises(lindyn.UnexpectedReplyError, match="decompressed"),
    ):
        client.about()
