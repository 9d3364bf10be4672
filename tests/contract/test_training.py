"""Learning rates, schedules, weight decay and modes that learn alone over HTTP, in both formats."""

import numpy as np
import pytest
from support.aligned import chain, commuting, two_layers
from support.full_flow import orthogonal
from support.service import ask, post, problem
from support.training import trained

pytestmark = pytest.mark.live

TIMES = [0.0, 0.5, 1.5, 4.0]
COSINE = {"kind": "cosine", "period": 3.0, "floor": 0.1}
LIMITS, SWEEPS = "/v1/limits", "/v1/sweeps"


def request(weights, sigma_yx, sigma_xx, **changes):
    task = {"kind": "correlation", "sigma_yx": sigma_yx.tolist(), "sigma_xx": sigma_xx.tolist()}
    network = {"kind": "weights", "weights": [w.tolist() for w in weights]}
    return {"network": network, "task": task, "times": TIMES, "quantities": ["weights", "output"]} | changes


def away(answer, layers):
    pairs = zip(answer["quantities"]["weights"], layers, strict=True)
    return max(np.max(np.abs(got - right)) / np.max(np.abs(right)) for got, right in pairs)


@pytest.mark.parametrize("accept", ["json", "npz"])
@pytest.mark.parametrize(
    ("deep", "method", "decay", "tolerance"),
    [(False, "exact", 0.0, 1e-12), (True, "exact", 0.0, 1e-12), (True, "flow", 0.2, 1e-11)],
)
def test_learning_rates_and_a_schedule(service, deep, method, decay, tolerance, accept, measured):
    rng = np.random.default_rng(3)
    task, inputs, u, v, _, _ = commuting(3, 4, rng)
    layers = chain(u, v, [4, 3], rng) if deep else two_layers(u, v, 8, rng)
    rates = rng.uniform(0.3, 3.0, len(layers)).tolist()
    how = {"learning_rates": rates, "schedule": COSINE, "weight_decay": decay}
    answer = ask(service, request(layers, task, inputs, **how), accept=accept)
    assert answer["method"] == method
    found = away(answer, trained(layers, task, inputs, TIMES, rates=rates, schedule=COSINE, decay=decay))
    measured("error", found)
    assert found <= tolerance


def test_weight_decay_of_modes(service):
    rng = np.random.default_rng(4)
    task, inputs, u, v, s, d = commuting(3, 4, rng)
    layers = two_layers(u, v, 8, rng)
    answer = ask(service, request(layers, task, inputs, weight_decay=0.3), body="npz")
    assert answer["method"] == "exact"
    assert away(answer, trained(layers, task, inputs, TIMES, decay=0.3)) <= 1e-12
    asked = {name: request(layers, task, inputs)[name] for name in ("network", "task")} | {"weight_decay": 0.3}
    found = post(service, asked, path=LIMITS).json()
    end = u[:, :3] * (np.maximum(s - 0.3, 0) / d[:3]) @ v[:, :3].T
    assert np.allclose(found["converged"]["output"], end, rtol=0, atol=1e-13)


def test_default_rates_and_no_decay_have_the_same_key(service):
    whole = request([np.eye(2), np.eye(2)], np.diag([2.0, 1.0]), np.eye(2))
    plain = ask(service, whole)
    same = ask(service, whole | {"learning_rates": [1.0, 1], "schedule": None, "weight_decay": 0})
    assert same["key"] == plain["key"]
    assert ask(service, whole | {"weight_decay": 1e-3})["key"] != plain["key"]


@pytest.mark.parametrize(
    ("changes", "path", "remedy"),
    [
        ({"learning_rates": [1.0]}, "learning_rates", "give one for each"),
        ({"learning_rates": [1.0, -2.0]}, "learning_rates.1", "expected at least 1e-70"),
        ({"learning_rates": [1.0, 1e71]}, "learning_rates.1", "expected at most 1e+70"),
        ({"schedule": {"kind": "exponential", "half_life": -1.0}}, "schedule.half_life", "expected at least 1e-70"),
        ({"schedule": {"kind": "piecewise", "times": [2, 1], "factors": [1, 1, 1]}}, "schedule", "times must ascend"),
        ({"schedule": {"kind": "piecewise", "times": [1.0], "factors": [0, 0]}}, "schedule", "give one above 0"),
        ({"weight_decay": -1.0}, "weight_decay", "expected at least 0"),
    ],
)
def test_invalid_fields(service, changes, path, remedy):
    whole = request([np.eye(2), np.eye(2)], np.diag([2.0, 1.0]), np.eye(2), **changes)
    (error,) = problem(post(service, whole), 422, "invalid-request")["errors"]
    assert error["path"] == path
    assert remedy in error["detail"]


def test_exact_refuses_decay_that_it_does_not_cover(service):
    rng = np.random.default_rng(1)
    layers, task = chain(np.eye(2), np.eye(2), [2, 2], rng), np.diag([2.0, 1.0])
    found = problem(
        post(service, request(layers, task, np.eye(2), weight_decay=0.1, method="exact")), 422, "not-applicable"
    )
    assert found["errors"][0]["path"] == "weight_decay"
    assert "use method flow" in found["detail"]


@pytest.mark.parametrize("path", ["/v1/continual", "/v1/initializations"])
def test_other_routes_do_not_accept_weight_decay(service, path):
    network = {"kind": "balanced", "dims": [2, 2, 2], "lambda": 1.0, "seed": 1}
    whole = {"network": network, "weight_decay": 0.1}
    whole |= {"tasks": [{"task": [[1.0, 0.0], [0.0, 1.0]]}]} if "continual" in path else {}
    (error,) = problem(post(service, whole, path=path), 422, "invalid-request")["errors"]
    assert error["path"] == "weight_decay"
    assert "unknown" in error["detail"]


def test_late_times_of_modes_that_learn_alone_cost_little(service):
    """An integration would be refused as too expensive."""
    rng = np.random.default_rng(2)
    u, v = orthogonal(40, rng), orthogonal(40, rng)
    layers = chain(u, v, [40], rng, low=0.5, high=2.0)
    task = u @ np.diag(np.linspace(1.0, 3.0, 40)) @ v.T
    answer = ask(service, request(layers, task, np.eye(40), quantities=["loss"], times=[0.0, 1e8]))
    assert answer["method"] == "exact"
    assert answer["quantities"]["loss"][1] == 0.0
