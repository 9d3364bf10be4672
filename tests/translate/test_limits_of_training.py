"""Limits of networks with learning rates of layers and schedules, against training from the definition."""

import numpy as np
import pytest
from support.aligned import commuting, two_layers
from support.analyses import SIGMA_YX, ask
from support.training import losses, trained

from lindyn.wire.asymptotics import LimitsRequest
from lindyn.wire.digest import digest
from lindyn.wire.document import InvalidDocumentError, read
from lindyn_service.dynamics.initialization import balanced_weights
from lindyn_service.translate.limits import limits

TAU = 1.5
RATES = (0.5, 3.0)
ENDING = {  # each with a time after which nothing is learned
    "cosine": ({"kind": "cosine", "period": 4.0, "floor": 0.0}, 4.0),
    "exponential": ({"kind": "exponential", "half_life": 0.8}, 60.0),
    "piecewise": ({"kind": "piecewise", "times": [1.0, 3.0], "factors": [1.0, 0.4, 0.0]}, 3.0),
}
ENDLESS = {
    "none": None,
    "cosine": {"kind": "cosine", "period": 2.0, "floor": 0.2},
    "piecewise": {"kind": "piecewise", "times": [1.0], "factors": [0.0, 0.7]},
}


def balanced(rates):
    """Layers that are balanced for these rates, W2^T W2 / c2 - W1 W1^T / c1 = 0.8 I."""
    layers = balanced_weights((3, 3, 3), 0.8, 0.4, np.random.default_rng(2))
    return [w * np.sqrt(c) for w, c in zip(layers, rates, strict=True)]


def modes():
    sigma_yx, sigma_xx, u, v, *_ = commuting(3, 4, np.random.default_rng(3))
    return list(two_layers(u, v, 8, np.random.default_rng(3))), sigma_yx, sigma_xx


def asked(layers, sigma_yx=SIGMA_YX, sigma_xx=None, **changes):
    network = {"kind": "weights", "weights": [w.tolist() for w in layers]}
    task = {"kind": "correlation", "sigma_yx": sigma_yx.tolist()}
    task |= {} if sigma_xx is None else {"sigma_xx": sigma_xx.tolist()}
    return ask(limits, LimitsRequest, {"network": network, "task": task, "time_constant": TAU, **changes})


def assert_state(state, layers, sigma_yx, sigma_xx, atol):
    function = layers[-1] @ layers[0] if len(layers) == 2 else layers[0]
    assert np.allclose(state["output"], function, rtol=0, atol=atol)
    assert np.allclose(state["input_representation"], layers[0].T @ layers[0], rtol=0, atol=atol)
    assert np.allclose(state["output_representation"], layers[-1] @ layers[-1].T, rtol=0, atol=atol)
    assert state["excess_loss"] == pytest.approx(
        losses([w[None] for w in layers], sigma_yx, sigma_xx)[0], rel=1e-8, abs=atol**2
    )


@pytest.mark.parametrize("schedule", ENDING)
@pytest.mark.parametrize("rates", [None, RATES], ids=["equal rates", "own rates"])
def test_a_schedule_that_ends_learning(schedule, rates):
    document, last = ENDING[schedule]
    layers = balanced(rates or (1.0, 1.0))
    found = asked(layers, schedule=document, learning_rates=rates)
    truth = trained(layers, SIGMA_YX, np.eye(3), [last], tau=TAU, rates=rates, schedule=document)
    assert found["converged"]["excess_loss"] > 1e-12
    assert_state(found["converged"], [w[-1] for w in truth], SIGMA_YX, np.eye(3), 1e-10)


@pytest.mark.parametrize("schedule", ENDING)
def test_modes_and_one_layer_whose_schedule_ends(schedule):
    document, last = ENDING[schedule]
    layers, sigma_yx, sigma_xx = modes()
    truth = trained(layers, sigma_yx, sigma_xx, [last], tau=TAU, schedule=document)
    found = asked(layers, sigma_yx, sigma_xx, schedule=document)
    assert_state(found["converged"], [w[-1] for w in truth], sigma_yx, sigma_xx, 1e-10)
    layers = [np.full((3, 3), 0.2)]
    truth = trained(layers, SIGMA_YX, np.eye(3), [last], tau=TAU, rates=[0.7], schedule=document)
    found = asked(layers, schedule=document, learning_rates=[0.7])
    assert_state(found["converged"], [w[-1] for w in truth], SIGMA_YX, np.eye(3), 1e-10)
    assert np.allclose(found["shallow"]["output"], truth[0][-1], rtol=0, atol=1e-10)


@pytest.mark.parametrize("schedule", ENDLESS)
@pytest.mark.parametrize("rates", [None, RATES], ids=["equal rates", "own rates"])
def test_an_end_that_no_schedule_changes(schedule, rates):
    layers = balanced(rates or (1.0, 1.0))
    found = asked(layers, schedule=ENDLESS[schedule], learning_rates=rates)
    truth = trained(layers, SIGMA_YX, np.eye(3), [60.0], tau=TAU, rates=rates)
    assert_state(found["converged"], [w[-1] for w in truth], SIGMA_YX, np.eye(3), 1e-9)
    assert found["converged"]["excess_loss"] <= 1e-28


@pytest.mark.parametrize("schedule", [*ENDLESS.values(), ENDING["cosine"][0]], ids=str)
@pytest.mark.parametrize("rates", [None, RATES], ids=["equal rates", "own rates"])
def test_loss_at_the_convergence_time_is_the_tolerance(schedule, rates):
    layers = balanced(rates or (1.0, 1.0))
    found = asked(layers, schedule=schedule, learning_rates=rates, tolerance=0.3)
    when = [found["convergence_time"]]
    truth = trained(layers, SIGMA_YX, np.eye(3), when, tau=TAU, rates=rates, schedule=schedule)
    assert losses(truth, SIGMA_YX, np.eye(3))[0] == pytest.approx(0.3, rel=1e-7)


def test_a_schedule_may_end_before_the_tolerance_is_met():
    found = asked(balanced((1.0, 1.0)), schedule={"kind": "exponential", "half_life": 0.1})
    assert found["convergence_time"] is None
    assert found["shallow"]["convergence_time"] is None


@pytest.mark.parametrize("rates", [(1.0, 1.0), RATES, (2.0, 2.0)], ids=str)
def test_the_largest_rate_is_that_of_the_preconditioned_hessian(rates):
    found = asked(balanced(rates), learning_rates=rates)
    plain_lam = 0.8 * np.sqrt(rates[0] * rates[1])
    assert found["lambda"] == pytest.approx(0.8, rel=1e-12)
    assert found["effective_learning_rate"] == pytest.approx(plain_lam * np.sqrt(rates[0] * rates[1]) / TAU)
    late = trained(balanced(rates), SIGMA_YX, np.eye(3), [60.0], tau=TAU, rates=rates)
    w1, w2 = (w[-1] for w in late)
    # of the network function by all weights, each times the root of its rate
    jacobian = np.hstack([np.kron(np.eye(3), w2) * np.sqrt(rates[0]), np.kron(w1.T, np.eye(3)) * np.sqrt(rates[1])])
    largest = np.linalg.norm(jacobian, 2) ** 2
    assert found["largest_learning_rate"] == pytest.approx(2 * TAU / largest, rel=1e-8)


def test_rates_of_the_wrong_count_are_named_and_defaults_keep_the_address():
    base = {"network": {"kind": "balanced", "dims": [3, 3, 3], "lambda": 1.0, "seed": 1}, "task": SIGMA_YX.tolist()}
    with pytest.raises(InvalidDocumentError) as error:
        asked(balanced((1.0, 1.0)), learning_rates=[1.0])
    assert error.value.errors[0] == ("learning_rates", "got 1 entry and a network of 2 layers; give one for each")
    plain = digest(read(LimitsRequest, base), "solver")
    assert digest(read(LimitsRequest, {**base, "learning_rates": [1, 1], "schedule": None}), "solver") == plain
    assert digest(read(LimitsRequest, {**base, "schedule": ENDLESS["cosine"]}), "solver") != plain
