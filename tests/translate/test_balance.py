"""Initial weights, their balance and its statistics, as computed by a worker."""

import numpy as np
import pytest
from support.analyses import BALANCED, SIGMA_YX, ask, learn

from lindyn.wire.balance import BalanceRequest, InitializationRequest, StatisticsRequest
from lindyn_service.errors import InvalidRequestError
from lindyn_service.translate.balance import balance_statistics, balances, initialization

DEEP = {"kind": "random", "dims": [3, 4, 2, 3], "scheme": "he", "gain": [1.0, 0.5, 2.0], "seed": 1}


@pytest.mark.parametrize(
    ("network", "quantities"),
    [(BALANCED, ["weights"]), ({**BALANCED, "aligned": True}, ["weights"]), (DEEP, ["weights"])],
    ids=["balanced", "aligned", "random"],
)
def test_weights_are_the_initial_ones_of_a_trajectory(network, quantities):
    found = ask(initialization, InitializationRequest, {"network": network, "task": SIGMA_YX})
    start = learn(network=network, times=[0.0], quantities=quantities)["quantities"]["weights"]
    assert len(found["weights"]) == len(start)
    for drawn, (first,) in zip(found["weights"], start, strict=True):
        assert np.allclose(drawn, first, rtol=0, atol=1e-14)
    assert (found["dims"], found["seed"], found["task_seed"]) == (network["dims"], network["seed"], None)


def test_drawn_weights_have_the_requested_balance():
    found = ask(initialization, InitializationRequest, {"network": BALANCED})
    assert found["lambda"] == pytest.approx(1.0, abs=1e-14)
    assert found["balance_residual"] < 1e-14
    deep = ask(initialization, InitializationRequest, {"network": DEEP})
    w = [np.array(each) for each in deep["weights"]]
    for i in range(2):
        b = w[i + 1].T @ w[i + 1] - w[i] @ w[i].T
        assert deep["lambda"][i] == pytest.approx(np.trace(b) / len(b))
        residual = np.linalg.norm(b - deep["lambda"][i] * np.eye(len(b)))
        assert deep["balance_residual"][i] == pytest.approx(residual)


def test_aligned_weights_need_a_task():
    with pytest.raises(InvalidRequestError) as caught:
        ask(initialization, InitializationRequest, {"network": {**BALANCED, "aligned": True}})
    assert caught.value.errors[0][0] == "task"


def test_each_pair_of_layers_is_measured():
    w1, w2, w3 = np.eye(2), np.diag([2.0, 2.0]), np.array([[1.0, 0.0], [0.0, 3.0], [0.0, 0.0]])
    found = ask(balances, BalanceRequest, {"weights": [w1, w2, w3]})
    assert found["lambda"] == pytest.approx([3.0, 1.0])
    assert found["residual"] == pytest.approx([0.0, np.sqrt(32.0)])
    assert found["relative_residual"] == pytest.approx([0.0, np.sqrt(32.0) / 18])
    assert found["balanced"] == [True, False]
    assert found["feasible"] == [True, True]
    wide = ask(balances, BalanceRequest, {"weights": [np.zeros((3, 2)), np.array([[1.0, 0.0, 0.0]])]})
    assert wide["lambda"] == pytest.approx([1 / 3])
    assert wide["feasible"] == [False]  # lambda > 0 needs hidden <= out


def test_statistics_agree_with_theory_and_samples():
    samples = 20_000
    document = {"dims": [4, 3, 5], "scheme": "lecun", "gain": [1.0, 2.0], "samples": samples, "seed": 3}
    found = ask(balance_statistics, StatisticsRequest, document)
    a1, a2 = 1 / 4, 4 / 3
    mean = (5 * a2 - 4 * a1) * np.eye(3)
    variance = (5 * a2**2 + 4 * a1**2) * (1 + np.eye(3))
    assert np.allclose(found["predicted"]["mean"], mean)
    assert np.allclose(found["predicted"]["variance"], variance)
    assert np.all(np.abs(np.array(found["sampled"]["mean"]) - mean) < 5 * np.sqrt(variance / samples))
    assert np.allclose(found["sampled"]["variance"], variance, rtol=0.15, atol=0)
    assert (found["table"]["k"], found["table"]["r"]) == (0.75, 1.25)
    assert found["table"]["mean_lambda"] == pytest.approx(mean[0, 0])
    assert found["table"]["variance_diagonal"] == pytest.approx(2 * found["table"]["variance_off_diagonal"])
    assert found["table"]["limits"]["r_to_infinity"] is None
    assert found["table"]["limits"]["r_to_zero"] == pytest.approx(-4 * a1)
