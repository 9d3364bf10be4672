"""Method descent: times, time constants, activations and refusals."""

from decimal import Decimal, localcontext

import numpy as np
import pytest
from support.descent import decimal_descent, decimals

from lindyn_service.dynamics.tasks import Moments, from_data
from lindyn_service.errors import DivergedDescentError, NotApplicableError
from lindyn_service.methods.base import LearningProblem, answer
from lindyn_service.methods.descent import OF_FUNCTION, DescentSolver
from lindyn_service.methods.flow import FlowSolver

RNG = np.random.default_rng(6)
WEIGHTS = (0.5 * RNG.standard_normal((4, 3)), 0.5 * RNG.standard_normal((2, 4)))
INPUTS, TARGETS = RNG.standard_normal((9, 3)), RNG.standard_normal((9, 2))
DATA = from_data(INPUTS, TARGETS, whiten=False)


def train(method, times, quantities=("loss",), moments=DATA, tau=1.0):
    return answer([method], LearningProblem(WEIGHTS, moments, tau, np.array(times), tuple(quantities)))


@pytest.mark.parametrize("tau", [1.0, 2.5])
def test_small_steps_approach_the_flow_in_proportion(tau):
    times = [0.0, 1.0, 2.0]
    flow = answer([FlowSolver()], LearningProblem(WEIGHTS, DATA, tau, np.array(times), ("output",))).quantities[
        "output"
    ]
    errors = []
    for eta in (0.01, 0.005, 0.0025):
        found = train(DescentSolver(eta), times, ("output",), tau=tau)
        assert np.allclose(found.times, times)
        errors.append(np.linalg.norm(found.quantities["output"] - flow))
    assert np.log2(errors[0] / errors[1]) == pytest.approx(1.0, abs=0.1)
    assert np.log2(errors[1] / errors[2]) == pytest.approx(1.0, abs=0.1)


def test_times_between_steps_are_rounded_with_a_warning():
    found = train(DescentSolver(0.1), [0.0, 0.26, 0.5])
    assert np.allclose(found.times, [0.0, 0.3, 0.5])
    (warned,) = found.warnings
    assert warned.code == "rounded-times"
    assert train(DescentSolver(0.1), np.arange(50) * 0.1).warnings == ()


def forward(weights, activation):
    function = {"relu": lambda x: np.maximum(x, 0), "tanh": np.tanh}[activation]
    signal = INPUTS
    for w in weights[:-1]:
        signal = function(signal @ w.T)
    return np.sum((signal @ weights[-1].T - TARGETS) ** 2) / 18


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_nonlinear_losses_and_rates_are_those_of_back_propagation(activation):
    found = train(DescentSolver(0.05, activation), [0.0, 0.5], ("loss", "loss_rate", "weights", "output"), tau=2.0)
    for i in range(2):
        weights = [layer[i] for layer in found.quantities["weights"]]
        assert found.quantities["loss"][i] == pytest.approx(forward(weights, activation), rel=1e-12)
        squares = 0.0
        for layer in weights:
            for index in np.ndindex(layer.shape):
                kept = layer[index]
                layer[index] = kept + 1e-6
                above = forward(weights, activation)
                layer[index] = kept - 1e-6
                squares += ((above - forward(weights, activation)) / 2e-6) ** 2
                layer[index] = kept
        assert found.quantities["loss_rate"][i] == pytest.approx(-squares / 2.0, rel=1e-5)
        assert np.allclose(found.quantities["output"][i], weights[1] @ weights[0])
    assert [warned.code for warned in found.warnings] == ["nonlinear"]
    assert (found.diagnostics["activation"], found.diagnostics["steps"]) == (activation, 10)


def test_nonlinear_networks_need_samples():
    with pytest.raises(NotApplicableError, match="needs samples, the task has only second moments; use a task of kind"):
        train(DescentSolver(0.1, "tanh"), [1.0], moments=Moments(np.ones((2, 3))))


@pytest.mark.parametrize("name", OF_FUNCTION)
def test_quantities_of_linear_functions_are_refused_for_activations(name):
    with pytest.raises(NotApplicableError, match=f"{name} are defined for linear networks"):
        train(DescentSolver(0.1, "relu"), [1.0], (name,))
    assert name in train(DescentSolver(0.1), [1.0], (name,)).quantities


def test_a_learning_rate_that_is_too_large_is_refused():
    with pytest.raises(DivergedDescentError, match=r"diverged by step \d+ .* divide method\.learning_rate by 2"):
        train(DescentSolver(20.0), [1e4])


@pytest.mark.parametrize("white", [True, False])
def test_small_losses_and_rates_have_small_relative_errors(white):
    """Against the definition in 400 digits; the rate is minus the squared norm of the gradient over tau."""
    rng = np.random.default_rng(3)
    weights = tuple(0.6 * rng.standard_normal(shape) for shape in ((3, 2), (2, 3)))
    sigma_xx = None if white else np.array([[1.25, 0.5], [0.5, 1.0]])
    sigma_yx = np.array([[1.5, 0.25], [-0.5, 1.0]])
    eta, tau, steps = 0.2, 2.0, [0, 5, 800, 2200]
    times = eta * np.array(steps)
    names = ("excess_loss", "loss", "loss_rate")
    found = answer([DescentSolver(eta)], LearningProblem(weights, Moments(sigma_yx, sigma_xx), tau, times, names))
    inverse = np.eye(2) if white else np.array([[1.0, -0.5], [-0.5, 1.25]])  # but for the determinant, which is 1
    with localcontext() as context:
        context.prec = 400
        for i, (layers, error) in enumerate(decimal_descent(weights, sigma_yx, sigma_xx, eta / tau, steps, 400)):
            excess = np.sum(error.dot(decimals(inverse)) * error) / 2
            gradients = (layers[1].T.dot(error), error.dot(layers[0].T))
            rate = -sum(np.sum(g * g) for g in gradients) / Decimal(tau)
            expected = (float(excess), float(excess), float(rate))
            assert [found.quantities[name][i] for name in names] == pytest.approx(expected, rel=1e-11, abs=0)
    assert found.quantities["excess_loss"][-1] < 1e-50
