"""Regimes of runs against the kernel by its definition, and runs without a regime."""

import numpy as np
import pytest

from lindyn.wire.conflicts import conflicts
from lindyn.wire.document import read
from lindyn.wire.trajectory import TrajectoryRequest
from lindyn_service.dynamics.regimes import verdict
from lindyn_service.translate.trajectory import trajectory

TASK = np.random.default_rng(0).standard_normal((4, 4))


def balanced(lam, scale=0.05):
    return {"kind": "balanced", "dims": [4, 4, 4], "lambda": float(lam), "scale": scale, "seed": 1}


def random(dims, gain=1.0):
    return {"kind": "random", "dims": dims, "scheme": "lecun", "gain": gain, "seed": 1}


def solved(**request):
    whole = {"task": TASK.tolist(), "times": [0.0, 30.0], "quantities": ["loss"]} | request
    return trajectory(read(TrajectoryRequest, whole, conflicts), 64 * "0")


CASES = {
    "small weights": (balanced(0), "rich"),
    "some balance": (balanced(3), "between"),
    "much balance": (balanced(100), "lazy"),
    "much balance of the other sign": (balanced(-100), "lazy"),
    "few hidden units": (random([4, 6, 4], 0.1), "rich"),
    "many hidden units": (random([4, 900, 4]), "lazy"),
    "three small layers": (random([4, 5, 5, 4], 0.6), "rich"),
    "one layer": (random([4, 4]), "lazy"),
}


@pytest.mark.parametrize("case", CASES)
def test_regimes_of_known_cases(case):
    network, expected = CASES[case]
    two = len(network["dims"]) == 3
    found = solved(network=network, quantities=["qqt" if two else "loss"])
    told = found["regime"]
    assert told["verdict"] == expected
    if two:
        kernels = [np.kron(np.eye(4), p[:4, :4]) + np.kron(p[4:, 4:], np.eye(4)) for p in found["quantities"]["qqt"]]
        start, end = kernels
        movement, cosine = np.linalg.norm(end - start) / np.linalg.norm(start), np.sum(start * end)
        cosine /= np.linalg.norm(start) * np.linalg.norm(end)
        assert told["ntk_movement"] == pytest.approx(movement, rel=1e-9, abs=1e-12)
        assert told["kernel_distance"] == pytest.approx(1 - cosine, rel=1e-9, abs=1e-14)


@pytest.mark.parametrize("method", ["flow", {"kind": "descent", "learning_rate": 0.01}], ids=["flow", "descent"])
def test_all_methods_determine_the_same_regime(method):
    network = balanced(0.5, 0.5)
    expected = solved(network=network, times=[0.0, 20.0])["regime"]
    found = solved(network=network, times=[0.0, 20.0], method=method)["regime"]
    tolerance = 1e-8 if method == "flow" else 0.02
    assert found["verdict"] == expected["verdict"]
    assert found["ntk_movement"] == pytest.approx(expected["ntk_movement"], rel=tolerance)
    assert found["kernel_distance"] == pytest.approx(expected["kernel_distance"], rel=tolerance)


def test_the_wide_limit_and_wide_draws_have_the_same_regime():
    task = np.random.default_rng(1).standard_normal((2, 3)).tolist()
    draw = random([3, 4000, 2])
    limit = draw | {"kind": "wide", "start": "drawn"}
    found = [solved(network=n, task=task, times=[0.1], quantities=["loss"]) for n in (draw, limit)]
    assert [each["regime"]["verdict"] for each in found] == ["lazy", "lazy"]
    assert found[0]["regime"]["ntk_movement"] == pytest.approx(found[1]["regime"]["ntk_movement"], rel=0.3)


SAMPLES = {"kind": "data", "inputs": np.eye(4).tolist(), "targets": TASK.T.tolist(), "whiten": False}

UNTOLD = {
    "time 0 alone": {"network": balanced(0), "times": [0.0]},
    "before anything is learned": {"network": balanced(0, 1e-3), "times": [0.1]},
    "a kernel of zero": {"network": {"kind": "weights", "weights": [np.zeros((4, 4)).tolist()] * 2}},
    "nothing to learn": {"network": {"kind": "weights", "weights": [np.eye(4).tolist(), TASK.tolist()]}},
    "kernels beyond float64": {
        "network": {"kind": "weights", "weights": [(1e45 * np.eye(4)).tolist()] * 2},
        "task": {"kind": "correlation", "sigma_yx": (1e69 * TASK).tolist(), "sigma_xx": (1e69 * np.eye(4)).tolist()},
        "times": [0.0, 1.0],
        "quantities": ["weight_norms"],
    },
    "rectifiers": {
        "network": random([4, 8, 4]),
        "task": SAMPLES,
        "times": [0.0, 5.0],
        "method": {"kind": "descent", "learning_rate": 0.1, "activation": "relu"},
    },
}


@pytest.mark.parametrize("case", UNTOLD)
def test_runs_without_a_regime(case):
    assert solved(**UNTOLD[case])["regime"] is None


def test_verdicts_at_the_documented_thresholds():
    assert [verdict(*each) for each in ((0.1, 0.5), (0.11, 0.09), (0.11, 0.1), (0.99, 0.09), (1.0, 0.0))] == [
        "lazy",
        "between",
        "rich",
        "between",
        "rich",
    ]


def test_large_networks_have_no_regime(monkeypatch):
    """Their kernels would cost more than the answer."""
    monkeypatch.setattr("lindyn_service.dynamics.regimes.MAX_NUMBERS", 31)
    assert solved(network=balanced(100))["regime"] is None
