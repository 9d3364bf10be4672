"""Messages of the client: one sentence for each error, with the nearest name and a remedy."""

import json
import subprocess
import sys
from typing import Any

import httpx
import numpy as np
import pytest
from support.processes import PATIENCE_SECONDS, Service, clean_environment

import lindyn

pytestmark = pytest.mark.live

BALANCED: dict[str, Any] = {"kind": "balanced", "dims": [2, 2, 2], "lambda": 0.5, "seed": 1}
SIGMA_YX = np.diag([3.0, 1.0])
ROTATION = np.array([[0.6, 0.8], [-0.8, 0.6]])  # mixes the modes of the task, so that none learns alone


def refused(client: lindyn.Client, kind: type[lindyn.ProblemError] = lindyn.RequestError, **changes: Any) -> list[str]:
    """Lines of the error, without that of the id of the request."""
    request: dict[str, Any] = {"network": BALANCED, "task": SIGMA_YX, "times": [0.0, 1.0]}
    with pytest.raises(kind) as caught:
        client.trajectory(**{**request, **changes})
    text = str(caught.value)
    for error in caught.value.problem.errors:
        assert text.count(error.detail) <= 1
    assert "Input should" not in text
    *lines, last = text.splitlines()
    assert last == f"  request {caught.value.problem.request_id}"
    return lines


def test_a_mistyped_quantity(client: lindyn.Client) -> None:
    (line,) = refused(client, quantities=["loss", "singular_value"])
    assert line.startswith("quantities.1: got 'singular_value', did you mean 'singular_values'? Allowed are 'loss', ")
    assert line.endswith("'sharpness' (invalid-request)")
    assert line.count("'ntk_distance'") == 1


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"times": 10}, "times: got 10, expected a list of times, or an object with start, stop and num"),
        (
            {"network": {**BALANCED, "dims": [2, 3, 3, 2]}},
            "network.dims: got 4 widths, a balanced network has three (in, hidden, out); use kind 'random' for other "
            "depths",
        ),
        (
            {"network": lindyn.weights(np.ones((4, 3)), np.ones((3, 2)))},
            "network.weights: matrix 1 takes 2 inputs but matrix 0 has 4 outputs; widths must chain; transposed? W1 is "
            "(hidden, in) as in torch",
        ),
        (
            {"network": lindyn.weights(np.ones((2, 3)), np.ones((3, 2)))},
            "task.sigma_yx: got shape (2, 2), the network's widths require (3, 3); are the weights transposed? W1 is "
            "(hidden, in) as in torch",
        ),
        ({"time_constant": "1"}, "time_constant: got '1', expected a number"),
    ],
)
def test_an_error_of_one_field_has_one_line(client: lindyn.Client, changes: dict[str, Any], line: str) -> None:
    assert refused(client, **changes) == [f"{line} (invalid-request)"]


def test_errors_of_several_fields_have_one_line_each(client: lindyn.Client) -> None:
    lines = refused(client, time_constant=-1, times=[1.0, 0.0], quantities=["los"])
    assert lines[0] == "times, time_constant and quantities.0 are invalid (invalid-request)"
    assert sorted(line.split(":")[0] for line in lines[1:]) == ["  quantities.0", "  time_constant", "  times"]


@pytest.mark.parametrize(
    ("kind", "changes", "start"),
    [
        (
            lindyn.InfeasibleBalanceError,
            {"network": {**BALANCED, "dims": [2, 3, 2]}},
            "network.lambda: lambda > 0 needs",
        ),
        (
            lindyn.NotBalancedError,
            {"network": lindyn.weights(ROTATION, np.diag([1.0, 2.0])), "method": "exact"},
            "network: the weights are 0.303 away from balanced",
        ),
        (
            lindyn.NotApplicableError,
            {"network": lindyn.weights(ROTATION, np.eye(2), np.eye(2)), "method": "exact"},
            "network: the closed form needs two weight layers, got 3; ",
        ),
    ],
    ids=["infeasible", "unbalanced", "deep"],
)
def test_errors_without_a_field_have_one_line(
    client: lindyn.Client, kind: type[lindyn.ProblemError], changes: dict[str, Any], start: str
) -> None:
    (line,) = refused(client, kind, **changes)
    assert line.startswith(start)


def test_the_nearest_lambda_has_few_digits(client: lindyn.Client) -> None:
    network = lindyn.weights(ROTATION, np.diag([1.0, np.sqrt(2.0)]) / 3)
    (line,) = refused(client, lindyn.NotBalancedError, network=network, method="exact")
    assert "the nearest lambda is -0.83333333;" in line


def test_the_command_line_reports_an_error_once(service: Service) -> None:
    request = {"network": BALANCED, "task": SIGMA_YX.tolist(), "times": [0.0], "quantities": ["singular_value"]}
    command = [sys.executable, "-c", "from lindyn.cli import main; main()", "solve", "-", "--url", service.url]
    ended = subprocess.run(
        command,
        input=json.dumps(request),
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert ended.returncode == 1
    assert ended.stderr.startswith(
        "lindyn: quantities.0: got 'singular_value', did you mean 'singular_values'? Allowed"
    )
    assert ended.stderr.count("'weight_norms'") == 1


def test_a_single_name_needs_no_list(client: lindyn.Client, job_service: Service) -> None:
    found = client.trajectory(network=BALANCED, task=SIGMA_YX, times=[0.0, 1.0], quantities="loss")
    assert list(found.quantities) == ["loss"]
    with lindyn.Client(job_service.url) as other:
        base = {"network": BALANCED, "task": SIGMA_YX, "times": [0.0, 1.0], "quantities": "loss"}
        job = other.sweep(base=base, axes={"network.seed": [1, 2]}, collect="final_loss")
        assert job.result().final_loss.shape == (2,)


@pytest.mark.anyio
async def test_a_single_name_needs_no_list_for_the_asynchronous_client(service: Service) -> None:
    async with lindyn.AsyncClient(service.url) as client:
        found = await client.trajectory(network=BALANCED, task=SIGMA_YX, times=[0.0, 1.0], quantities="loss")
    assert list(found.quantities) == ["loss"]


@pytest.mark.parametrize(
    ("url", "given"),
    [
        ("localhost:8000", "http://localhost:8000"),
        ("127.0.0.1:1", "http://127.0.0.1:1"),
        ("lab.example/lindyn", "http://lab.example/lindyn"),
        ("ftp://lab.example", "http://lab.example"),
        ("http//lab.example", "http://lab.example"),
        ("//lab.example:80", "http://lab.example:80"),
        ("lab.example/a//b", "http://lab.example/a//b"),
        ("/lindyn", "http://127.0.0.1:8000 or https://lab.example/lindyn"),
        ("lab.example?a=1", "http://127.0.0.1:8000 or https://lab.example/lindyn"),
    ],
)
def test_addresses_of_other_protocols_are_refused(url: str, given: str) -> None:
    for kind in (lindyn.Client, lindyn.AsyncClient):
        with pytest.raises(lindyn.ConfigurationError) as caught:
            kind(url)
        assert str(caught.value) == (
            f"url: got {url!r}, which does not start with http:// or https://; expected an address such as {given}"
        )


def test_a_closed_client(service: Service) -> None:
    client = lindyn.Client(service.url)
    client.about()
    for _ in range(2):
        client.close()
        with pytest.raises(lindyn.ClosedError, match="this client is closed; make another one"):
            client.about()


@pytest.mark.anyio
async def test_a_closed_asynchronous_client(service: Service) -> None:
    async with lindyn.AsyncClient(service.url) as client:
        await client.about()
    with pytest.raises(lindyn.ClosedError, match="this client is closed"):
        await client.about()


def test_a_client_that_is_closed_while_it_asks(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is closed by another thread after a connection was chosen, before the request is sent."""
    client = lindyn.Client(service.url)
    connections = client._sender._http()
    monkeypatch.setattr(client._sender, "_http", lambda: [client.close(), connections][1])
    with pytest.raises(lindyn.ClosedError, match="this client is closed; make another one"):
        client.about()


@pytest.mark.anyio
async def test_an_asynchronous_client_that_is_closed_while_it_asks(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = lindyn.AsyncClient(service.url)
    connections = await client._sender._http()

    async def closed() -> httpx.AsyncClient:
        await client.close()
        return connections

    monkeypatch.setattr(client._sender, "_http", closed)
    with pytest.raises(lindyn.ClosedError, match="this client is closed; make another one"):
        await client.about()


def test_unknown_names_of_results_have_an_error(client: lindyn.Client, job_service: Service) -> None:
    found = client.trajectory(network=BALANCED, task=SIGMA_YX, times=[0.0], quantities=["loss", "balance", "weights"])
    for name, near in (("los", "loss"), ("balance.lamda", "balance.lambda"), ("weight.1", "weights.1")):
        with pytest.raises(KeyError) as caught:
            found[name]
        assert isinstance(caught.value, lindyn.LindynError)
        assert str(caught.value).startswith(f"{name!r} is not part of this trajectory, did you mean {near!r}? It has: ")
        assert str(caught.value).endswith(
            "loss, weights, balance, weights.0, weights.1, balance.lambda, balance.residual"
        )
    with pytest.raises(KeyError, match=r"'weights\.7' is not part of this trajectory, which has: loss, weights"):
        found["weights.7"]
    with pytest.raises(
        AttributeError, match=r"'los' is not part of this trajectory, did you mean 'loss'\? It has: loss, "
    ):
        found.los  # noqa: B018
    with lindyn.Client(job_service.url) as other:
        base = {"network": BALANCED, "task": SIGMA_YX, "times": [0.0, 1.0]}
        result = other.sweep(base=base, axes={"network.seed": [1]}, collect=["final_loss"]).result()
    with pytest.raises(
        lindyn.UnknownNameError, match=r"^'final_los' is not part of this result, did you mean 'final_l"
    ):
        result["final_los"]
    with pytest.raises(AttributeError, match="did you mean 'final_loss'"):
        result.finalloss  # noqa: B018
    with pytest.raises(KeyError, match="'x' is not part of this result, which has: final_loss"):
        result["x"]
    balance = client.balance([np.eye(2), np.eye(2)])
    with pytest.raises(KeyError, match="did you mean 'residual'"):
        balance["residuals"]
    with pytest.raises(AttributeError, match="did you mean 'residual'"):
        balance.residuals  # noqa: B018
