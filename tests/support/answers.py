"""Requests for given weights, and answers of the worker against the layers that they should have."""

import numpy as np

from support.training import losses

TIMES = [0.0, 0.3, 1.0, 2.5, 4.0]
NAMES = ["weights", "output", "excess_loss", "loss_rate", "input_representation", "output_representation", "ntk"]


def request(weights, sigma_yx, sigma_xx=None, *, times=TIMES, **changes):
    task = {"kind": "correlation", "sigma_yx": sigma_yx.tolist()}
    if sigma_xx is not None:
        task["sigma_xx"] = sigma_xx.tolist()
    network = {"kind": "weights", "weights": [w.tolist() for w in weights]}
    return {"network": network, "task": task, "times": list(map(float, times)), "quantities": NAMES} | changes


def check(answer, layers, sigma_yx, sigma_xx, tolerance=1e-12):
    """Weights, what follows from them, and that errors are bounded by what the answer says, but for the oracle's."""
    found, errors = answer["quantities"], answer["diagnostics"]["errors"]
    function = layers[0]
    for w in layers[1:]:
        function = w @ function
    expected = {
        "output": function,
        "input_representation": layers[0].transpose(0, 2, 1) @ layers[0],
        "output_representation": layers[-1] @ layers[-1].transpose(0, 2, 1),
    }
    for name, right in expected.items():
        size = np.linalg.norm(right, axis=(1, 2))
        # what has decayed is below the absolute tolerance of the oracle
        away = np.linalg.norm(np.array(found[name]) - right, axis=(1, 2)) / np.maximum(size, 1e-3 * np.max(size))
        assert np.max(away) <= tolerance, name
        assert np.max(away) <= errors[name] + tolerance / 2, name
    for got, right in zip(found["weights"], layers, strict=True):
        assert np.max(np.abs(np.array(got) - right)) <= tolerance * np.max(np.abs(right))
    excess = losses(layers, sigma_yx, sigma_xx)
    assert np.max(np.abs(found["excess_loss"] - excess)) <= 2 * tolerance * np.max(excess)


def jump(one, other, name="output"):
    first, second = np.array(one["quantities"][name]), np.array(other["quantities"][name])
    return np.max(np.abs(first - second)) / np.max(np.abs(first))
