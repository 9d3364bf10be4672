"""Quick tests of whether modes learn alone, which cost estimates use."""

import numpy as np
import pytest
from support.aligned import chain, commuting, two_layers

from lindyn.wire.conflicts import conflicts
from lindyn.wire.document import read
from lindyn.wire.trajectory import TrajectoryRequest
from lindyn_service.operations.costs import trajectory_cost
from lindyn_service.operations.mode_probe import learns_mode_wise
from lindyn_service.translate.problem import rates


def request(weights, sigma_yx, sigma_xx, **changes):
    task = {"kind": "correlation", "sigma_yx": sigma_yx.tolist(), "sigma_xx": sigma_xx.tolist()}
    network = {"kind": "weights", "weights": [w.tolist() for w in weights]}
    times = {"stop": 1e6, "num": 5}
    return read(TrajectoryRequest, {"network": network, "task": task, "times": times} | changes, conflicts)


def guess(asked):
    return learns_mode_wise(asked.network, asked.task, rates(asked))


@pytest.mark.parametrize("deep", [False, True])
@pytest.mark.parametrize("n", [1, 3, 12])
def test_probes_recognise_modes_that_learn_alone(n, deep):
    rng = np.random.default_rng(n)
    task, inputs, u, v, _, _ = commuting(n, n + 1, rng)
    weights = chain(u, v, [n, n], rng) if deep else two_layers(u, v, 2 * n, rng)
    asked = request(weights, task, inputs)
    assert guess(asked)
    own = np.linspace(0.5, 2.0, len(weights))
    scaled = [w * np.sqrt(c) for w, c in zip(weights, own, strict=True)]
    assert guess(request(scaled, task, inputs, learning_rates=own.tolist()))
    noise = rng.standard_normal(inputs.shape)
    assert not guess(request(weights, task, inputs + 0.01 * noise @ noise.T))
    if n > 1:
        assert not guess(
            request([weights[0] + 0.01 * rng.standard_normal(weights[0].shape), *weights[1:]], task, inputs)
        )
    # integration over so many time constants is given up, and charged as such
    assert trajectory_cost(asked).flops < 0.5 * trajectory_cost(asked.model_copy(update={"method": FLOW})).flops


FLOW = request([np.eye(1)] * 2, np.eye(1), np.eye(1), method="flow").method


def test_tasks_of_samples_and_hierarchies():
    rng = np.random.default_rng(0)
    inputs, targets = rng.standard_normal((9, 3)), rng.standard_normal((9, 2))
    network = {"kind": "weights", "weights": [np.eye(2, 3).tolist(), np.eye(2).tolist()]}
    base = {"network": network, "times": [1.0]}
    data = {"kind": "data", "inputs": inputs.tolist(), "targets": targets.tolist(), "whiten": False}
    assert not guess(read(TrajectoryRequest, base | {"task": data}))
    same = {
        "kind": "data",
        "inputs": np.diag([3.0, 2.0, 1.0]).tolist(),
        "targets": np.eye(3, 2).tolist(),
        "whiten": False,
    }
    assert guess(read(TrajectoryRequest, base | {"task": same}))
    # whitening takes longer than estimates may
    assert not guess(read(TrajectoryRequest, base | {"task": same | {"whiten": True}}))
    eye = {"kind": "weights", "weights": [np.eye(2).tolist(), np.eye(2).tolist()]}
    hierarchy = {"network": eye, "task": {"kind": "semantic", "levels": 1}, "times": [1.0]}
    assert isinstance(guess(read(TrajectoryRequest, hierarchy)), bool)


def test_kinds_of_networks():
    base = {"task": {"kind": "correlation", "sigma_yx": [[2.0, 0.0], [0.0, 1.0]]}, "times": [1.0]}
    balanced = {"kind": "balanced", "dims": [2, 2, 2], "lambda": 1.0, "seed": 1}
    assert guess(read(TrajectoryRequest, base | {"network": balanced | {"aligned": True}}))
    assert not guess(read(TrajectoryRequest, base | {"network": balanced}))
    random = {"kind": "random", "dims": [2, 2, 2], "scheme": "lecun", "seed": 1}
    assert not guess(read(TrajectoryRequest, base | {"network": random}))
