"""The method `{"kind": "flow", "step": eta}`, as the worker answers, against descent, and what it refuses."""

from itertools import pairwise

import numpy as np
import pytest
from support.analyses import learn
from support.training import descended

from lindyn.wire.document import read
from lindyn.wire.sweep import SweepRequest
from lindyn_service.errors import NotApplicableError
from lindyn_service.operations.registry import TRAJECTORY
from lindyn_service.translate.point_records import unpack_record
from lindyn_service.translate.sweep import compute_points

ETAS = (0.08, 0.04, 0.02, 0.01)
TIME = 1.6


def problem(rng, n_layers=2):
    """Weights and a task of the order of one, smaller for more layers, whose sharpness is larger."""
    dims, size = [4, *([5] * (n_layers - 1)), 3], 0.6 if n_layers < 3 else 0.3
    layers = [size * rng.standard_normal((b, a)) for a, b in pairwise(dims)]
    inputs = rng.standard_normal((12, 4)) * np.linspace(0.6, 1.3, 4)
    return layers, size / 0.6 * rng.standard_normal((3, 4)), inputs.T @ inputs / 12


def request(layers, sigma_yx, sigma_xx, **changes):
    task = {"kind": "correlation", "sigma_yx": sigma_yx.tolist(), "sigma_xx": sigma_xx.tolist()}
    network = {"kind": "weights", "weights": [w.tolist() for w in layers]}
    return {"network": network, "task": task, "times": [0.0, TIME], "quantities": ["weights", "loss"]} | changes


def slope(layers, sigma_yx, sigma_xx, *, tau=1.0, rates=None, decay=0.0):
    """Order of the distance to descent, and of that without the correction."""
    changes = {"time_constant": tau, "weight_decay": decay} | ({} if rates is None else {"learning_rates": rates})
    whole, distances = request(layers, sigma_yx, sigma_xx, **changes), ([], [])
    for eta in ETAS:
        steps = round(TIME / eta)
        trained = descended(layers, sigma_yx, sigma_xx, [steps], eta, tau=tau, rates=rates, decay=decay)
        for kept, method in zip(distances, ({"kind": "flow", "step": eta}, "flow"), strict=True):
            found = [np.array(w)[-1] for w in learn(**whole, method=method)["quantities"]["weights"]]
            kept.append(np.sqrt(sum(np.sum((a - b[0]) ** 2) for a, b in zip(found, trained, strict=True))))
    return [np.polyfit(np.log(ETAS), np.log(each), 1)[0] for each in distances]


@pytest.mark.parametrize(
    ("n_layers", "how"),
    [(2, {}), (3, {}), (1, {}), (2, {"tau": 2.0, "decay": 0.2}), (2, {"rates": [0.4, 2.0], "decay": 0.1})],
    ids=str,
)
def test_descent_follows_it_to_second_order(n_layers, how, record_property):
    found, plain = slope(*problem(np.random.default_rng(n_layers), n_layers), **how)
    record_property("slope", float(found))
    assert 1.9 <= found <= 2.1
    assert 0.9 <= plain <= 1.1


def test_what_the_answer_says():
    answer = learn(**request(*problem(np.random.default_rng(1))), method={"kind": "flow", "step": 0.1})
    assert answer["method"] == "flow"
    assert "L + (eta/4)|grad L|^2, which descent with eta = 0.1 follows" in answer["reason"]
    assert max(answer["diagnostics"]["errors"].values()) < 1e-8


def test_a_loss_is_reached_where_its_trajectory_has_it():
    whole = request(*problem(np.random.default_rng(2)), times=[0.0, 30.0], quantities=["excess_loss"])
    whole["method"] = {"kind": "flow", "step": 0.05}
    start = learn(**whole)["quantities"]["excess_loss"][0]
    asked = {"base": whole, "axes": [{"path": "time_constant", "values": [1.0]}], "collect": ["convergence_time"]}
    (record,) = compute_points(read(SweepRequest, {**asked, "tolerance": start / 5}), [(0,)])
    time = float(unpack_record(record)["values"]["convergence_time"])
    there = learn(**{**whole, "times": [time]})["quantities"]["excess_loss"][0]
    assert there == pytest.approx(start / 5, rel=1e-8)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"schedule": {"kind": "cosine", "period": 3.0}}, "leave schedule or method.step out, or use method descent"),
        ({"quantities": ["loss_rate"]}, "leave loss_rate or method.step out"),
    ],
)
def test_what_it_refuses(changes, words):
    whole = request(*problem(np.random.default_rng(3)), **changes)
    with pytest.raises(NotApplicableError, match=words) as caught:
        learn(**whole, method={"kind": "flow", "step": 0.1})
    assert caught.value.errors[0][0] == "method"


def test_it_costs_more_than_the_flow_itself():
    whole = request(*problem(np.random.default_rng(4)))
    corrected, plain = (
        TRAJECTORY.cost(read(TRAJECTORY.model, {**whole, "method": method})).flops
        for method in ({"kind": "flow", "step": 0.1}, "flow")
    )
    assert corrected > 2 * plain
