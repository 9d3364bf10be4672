"""Trajectories with numpy arrays as arguments and results, from a real service."""

import copy
import json
from collections.abc import Mapping
from typing import Any

import httpx
import numpy as np
import pytest
from support.oracle import integrate
from support.processes import Service

import lindyn
from lindyn.wire.network import BalancedNetwork
from lindyn.wire.trajectory import QUANTITIES

pytestmark = pytest.mark.live

RNG = np.random.default_rng(0)
SIGMA_YX = RNG.standard_normal((3, 4))
W1 = RNG.standard_normal((2, 4))
TIMES = np.linspace(0, 3, 7)
BALANCED: dict[str, Any] = {"kind": "balanced", "dims": [4, 2, 3], "lambda": 0.5, "scale": 0.3, "seed": 1}
EIGHT: dict[str, Any] = {**BALANCED, "dims": [8, 4, 8]}
X = RNG.standard_normal((20, 4))
Y = RNG.standard_normal((20, 3))


def balanced_pair() -> tuple[np.ndarray, np.ndarray]:
    """Weights with W2^T W2 = W1 W1^T."""
    root = np.linalg.cholesky(W1 @ W1.T)
    return W1, np.linalg.qr(RNG.standard_normal((3, 2)))[0] @ root.T


def losses(w1: np.ndarray, w2: np.ndarray) -> list[float]:
    return [0.5 * float(np.sum((SIGMA_YX - b @ a) ** 2)) for a, b in integrate(w1, w2, SIGMA_YX, TIMES)]


def test_given_weights_follow_the_gradient_flow(client: lindyn.Client) -> None:
    w1, w2 = balanced_pair()
    found = client.trajectory(
        network={"kind": "weights", "weights": [w1, w2]}, task=SIGMA_YX, times=TIMES, quantities=["excess_loss"]
    )
    np.testing.assert_allclose(found.excess_loss, losses(w1, w2), rtol=1e-6)
    np.testing.assert_array_equal(found.times, TIMES)
    assert found.reply.method == "exact"
    assert abs(found.reply.lam) < 1e-12
    assert found.reply.dims == [4, 2, 3]


def test_all_quantities_by_name(client: lindyn.Client) -> None:
    found = client.trajectory(network=BALANCED, task=SIGMA_YX, times=TIMES, quantities=QUANTITIES)
    n = len(TIMES)
    shapes = {
        "loss": (n,),
        "excess_loss": (n,),
        "output": (n, 3, 4),
        "input_representation": (n, 4, 4),
        "output_representation": (n, 3, 3),
        "qqt": (n, 7, 7),
        "singular_values": (n, 3),
        "mode_strengths": (n, 3),
        "loss_rate": (n,),
        "ntk": (n, 12, 12),
        "ntk_distance": (n,),
        "ntk_norm": (n,),
        "ntk_movement": (n,),
        "rsm_input": (n, 4, 4),
        "rsm_output": (n, 4, 4),
        "weight_norms": (n, 2),
        "effective_rank": (n,),
        "sharpness": (n,),
    }
    for name, shape in shapes.items():
        array = getattr(found, name)
        assert array.shape == shape
        assert array.dtype == np.float64
        assert found[name] is array
    nested = {"balance", "alignment", "task_specificity", "weights"}
    assert set(found.quantities) == {*shapes, *nested} == set(QUANTITIES)
    first, last = found.weights
    assert found["weights.1"] is last
    np.testing.assert_allclose(last @ first, found.output, atol=1e-12)
    assert found["alignment.input"].shape == (n, 3)
    assert found["task_specificity.output"].shape == (n,)
    np.testing.assert_allclose(found["balance.lambda"], 0.5)
    np.testing.assert_array_equal(found.balance["lambda"], found["balance.lambda"])
    assert found["balance.residual"].shape == (n,)
    np.testing.assert_allclose(found.qqt[:, 4:, :4], found.output)


@pytest.mark.parametrize(
    ("network", "task"),
    [
        (BALANCED, SIGMA_YX),
        (BALANCED, SIGMA_YX.tolist()),
        (BALANCED, {"kind": "correlation", "sigma_yx": SIGMA_YX, "sigma_xx": 2 * np.eye(4), "sigma_yy_trace": 50.0}),
        (BALANCED, {"kind": "data", "inputs": X, "targets": Y, "whiten": True}),
        (BALANCED, {"kind": "regression", "samples": 50, "seed": 3}),
        (EIGHT, {"kind": "semantic", "levels": 3}),
        (BALANCED, {"kind": "spectrum", "singular_values": np.array([3.0, 1.0]), "seed": 3}),
        ({**BALANCED, "aligned": True}, SIGMA_YX),
    ],
    ids=["array", "lists", "correlation", "data", "regression", "semantic", "spectrum", "aligned"],
)
def test_all_tasks(client: lindyn.Client, network: dict[str, Any], task: Any) -> None:
    found = client.trajectory(network=network, task=task, times=TIMES)
    assert list(found.quantities) == ["loss", "output"]
    assert found.loss.shape == (len(TIMES),)
    assert np.all(np.diff(found.loss) < 0)
    assert found.output.shape[0] == len(TIMES)


class Tensor:
    """An array of another library."""

    def __init__(self, array: np.ndarray) -> None:
        self._array = array

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return self._array


SAME_REQUESTS: dict[str, dict[str, Any]] = {
    "lists": {"task": SIGMA_YX.tolist(), "times": [0, 1, 2]},
    "arrays": {"task": SIGMA_YX, "times": np.arange(3)},
    "rows": {"task": list(SIGMA_YX), "times": range(3)},
    "tuples": {"task": tuple(map(tuple, SIGMA_YX.tolist())), "times": (0, np.float64(1), np.int64(2))},
    "tensors": {"task": Tensor(SIGMA_YX), "times": Tensor(np.arange(3.0))},
    "numbers of numpy": {
        "task": SIGMA_YX,
        "times": {"start": np.float32(0), "stop": np.int64(2), "num": np.int64(3)},
        "network": {**BALANCED, "dims": np.array([4, 2, 3]).tolist(), "lambda": np.float32(0.5), "seed": np.uint8(1)},
        "time_constant": np.array(1.0),
    },
    "models": {"task": SIGMA_YX, "times": [0.0, 1.0, 2.0], "network": BalancedNetwork.model_validate(BALANCED)},
}


@pytest.mark.parametrize("name", SAME_REQUESTS)
def test_equivalent_arguments_send_the_same_request(client: lindyn.Client, name: str) -> None:
    request = {"network": BALANCED, **SAME_REQUESTS[name]}
    before = copy.deepcopy(request["network"])
    found = client.trajectory(**request)
    expected = client.trajectory(network=BALANCED, task=SIGMA_YX, times=[0.0, 1.0, 2.0])
    np.testing.assert_array_equal(found.loss, expected.loss)
    assert request["network"] == before


def test_arguments_that_cannot_be_sent(client: lindyn.Client) -> None:
    with pytest.raises(TypeError, match="set is not JSON serializable"):
        client.trajectory(network=BALANCED, task={"kind": {"correlation"}}, times=[0.0])


def test_weights_as_arrays_lists_or_both(client: lindyn.Client) -> None:
    w1, w2 = balanced_pair()
    keys = {
        client.trajectory(network={"kind": "weights", "weights": weights}, task=SIGMA_YX, times=TIMES).reply.key
        for weights in ([w1, w2], (w1, w2.tolist()), [w1.tolist(), w2.tolist()], [list(w1), Tensor(w2)])
    }
    assert len(keys) == 1


def test_requests_with_arrays_are_npz_and_others_json(service: Service) -> None:
    sent: list[httpx.Request] = []

    class Watching(httpx.HTTPTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            sent.append(request)
            return super().handle_request(request)

    with lindyn.Client(service.url, transport=Watching()) as client:
        client.trajectory(network=BALANCED, task=SIGMA_YX, times=TIMES)
        client.trajectory(network=BALANCED, task=SIGMA_YX.tolist(), times=[0.0])
    assert [request.headers["Content-Type"] for request in sent] == ["application/x-npz", "application/json"]
    assert json.loads(sent[1].content)["network"] == BALANCED
    assert {request.headers["Accept"] for request in sent} == {"application/x-npz"}


def test_an_answer_has_its_provenance(client: lindyn.Client) -> None:
    network = {name: value for name, value in BALANCED.items() if name != "seed"}
    task = {"kind": "regression", "samples": 50}
    found = client.trajectory(network=network, task=task, times=TIMES, time_constant=2.0)
    reply = found.reply
    assert (found.cache, reply.version, reply.time_constant) == ("miss", lindyn.__version__, 2.0)
    again = client.trajectory(
        network={**network, "seed": reply.seed}, task={**task, "seed": reply.task_seed}, times=TIMES, time_constant=2.0
    )
    assert (again.cache, again.reply.key) == ("hit", reply.key)
    np.testing.assert_array_equal(again.loss, found.loss)
    stored = client.stored(reply.key)
    assert stored.reply == reply
    np.testing.assert_array_equal(stored.output, found.output)


def test_about_describes_the_service(client: lindyn.Client) -> None:
    about = client.about()
    assert about["version"] == lindyn.__version__
    assert set(QUANTITIES) == set(about["quantities"])
    assert about["limits"]["workers"] == 1


def test_a_picture_of_an_answer(client: lindyn.Client) -> None:
    found = client.trajectory(network=BALANCED, task=SIGMA_YX, times=TIMES)
    assert repr(found).splitlines()[0] in (
        f"<Trajectory 4-2-3, lambda = 0.5, 7 times, exact ({said})" for said in ("computed now", "from the cache")
    )
    assert "quantities: loss, output" in repr(found)
    assert "two layers, white inputs" in repr(found)
    assert "warning irreducible-loss-unknown" in repr(found)
    unbalanced = lindyn.Trajectory(
        found.times, found.quantities, found.reply.model_copy(update={"lam": None}), found.cache
    )
    assert repr(unbalanced).startswith("<Trajectory 4-2-3, 7 times, exact")


def test_quantities_that_were_not_requested_have_an_error(client: lindyn.Client) -> None:
    found = client.trajectory(network=BALANCED, task=SIGMA_YX, times=TIMES)
    with pytest.raises(AttributeError, match="'qqt' is not part of this trajectory, which has: loss, output"):
        _ = found.qqt
    with pytest.raises(KeyError, match="qqt"):
        found["qqt"]
    assert not hasattr(found, "balance")
    np.testing.assert_array_equal(copy.copy(found).loss, found.loss)
    assert isinstance(found.quantities, Mapping)
    assert found != copy.copy(found)  # other than itself only: whether arrays are equal has no one answer


def test_the_address_in_the_environment_is_used(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LINDYN_URL", service.url)
    with lindyn.Client() as client:
        assert client.url == service.url
        assert client.about()["name"] == "lindyn"
    with lindyn.Client("http://127.0.0.1:1") as client:
        assert client.url == "http://127.0.0.1:1"
    for value in (None, ""):
        monkeypatch.delenv("LINDYN_URL") if value is None else monkeypatch.setenv("LINDYN_URL", value)
        with lindyn.Client() as client:
            assert client.url == "http://127.0.0.1:8000"
