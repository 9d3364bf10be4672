"""Bounds of losses that are small beside the numbers that they are differences of, against fractions at time 0."""

from fractions import Fraction

import numpy as np
import pytest

from lindyn_service.dynamics.tasks import Moments
from lindyn_service.methods.base import LearningProblem, Refusal
from lindyn_service.methods.exact import ExactSolver
from lindyn_service.methods.fewer_dimensions import unreduced
from lindyn_service.methods.mode_wise import ModeWiseSolver
from lindyn_service.methods.one_layer import OneLayerRun

DRAWS = 20


def exactly(matrix: np.ndarray) -> np.ndarray:
    return np.vectorize(Fraction, otypes=[object])(matrix)


def loss_at_start(layers: tuple[np.ndarray, ...], moments: Moments) -> Fraction:
    """1/2 (tr sigma_yy - 2 <W, sigma_yx> + <W, W>) for white inputs; without the trace 1/2 ||W - sigma_yx||^2."""
    function = exactly(layers[0])
    for layer in layers[1:]:
        function = exactly(layer) @ function
    task = exactly(moments.sigma_yx)
    if moments.sigma_yy_trace is None:
        return Fraction(np.sum((function - task) ** 2)) / 2
    return (Fraction(moments.sigma_yy_trace) - np.sum(2 * function * task) + np.sum(function * function)) / 2


def error_and_bound(solver, layers, moments, weight_decay=0.0) -> tuple[float, float] | None:
    """The error of the loss at time 0 and its bound; None if the method does not apply for rounding errors."""
    asked = LearningProblem(layers, moments, 1.0, np.array([0.0, 0.5]), ("loss",), weight_decay=weight_decay)
    run = OneLayerRun(asked, unreduced(asked)) if len(layers) == 1 else solver.examine(asked)
    if isinstance(run, Refusal):
        return None
    outcome = run.run()
    true = loss_at_start(layers, moments)
    error = abs(Fraction(float(outcome.quantities["loss"][0])) / true - 1)
    return float(error), outcome.diagnostics["errors"]["loss"]


def rotated(rng: np.random.Generator, s: np.ndarray, ratio: float, shares: np.ndarray):
    """Two layers of modes that learn alone, and a task of which they have learned these shares."""
    u, v, hidden = (np.linalg.qr(rng.standard_normal((len(s), len(s))))[0] for _ in range(3))
    strengths = np.sqrt(s * shares)
    return ((hidden * strengths * ratio) @ v.T, (u * strengths / ratio) @ hidden.T), (u * s) @ v.T


@pytest.mark.parametrize("kind", ["closed form", "modes", "modes with decay", "one layer"])
@pytest.mark.parametrize("size", [3, 8])
def test_a_least_loss_from_the_trace_has_the_rounding_errors_of_the_trace(kind: str, size: int) -> None:
    rng = np.random.default_rng(1)
    for excess in 10.0 ** rng.uniform(-12, -2, DRAWS // 2):
        ratio = 1.0 if kind == "closed form" else 3.0
        layers, sigma_yx = rotated(rng, 10.0 ** rng.uniform(-4, 0, size), ratio, 1 + 10.0 ** rng.uniform(-9, -5, size))
        moments = Moments(sigma_yx, None, float(np.sum(sigma_yx**2)) * (1 + excess))
        match kind:
            case "closed form":
                found = error_and_bound(ExactSolver(), layers, moments)
            case "one layer":
                found = error_and_bound(None, (layers[1] @ layers[0],), moments)
            case _:
                decay = 1e-3 if kind == "modes with decay" else 0.0
                found = error_and_bound(ModeWiseSolver(), layers, moments, decay)
        assert found is None or found[0] <= found[1], excess


@pytest.mark.parametrize("decay", [0.0, 1e-6])
def test_small_modes_beside_a_large_one_lose_digits(decay: float) -> None:
    """The network has learned the large mode, so that its loss is that of the small ones."""
    rng, pairs = np.random.default_rng(1), []
    for _ in range(DRAWS):
        s = np.array([1.0, *10.0 ** rng.uniform(-5, -4, 2)])
        layers, sigma_yx = rotated(rng, s, 3.0, np.array([1.0, *(1 + 10.0 ** rng.uniform(-6, -4, 2))]))
        pairs.append(error_and_bound(ModeWiseSolver(), layers, Moments(sigma_yx), decay))
    errors, bounds = np.transpose([pair for pair in pairs if pair is not None])
    assert len(errors) >= DRAWS // 4
    assert np.all(errors <= bounds)
    assert np.median(bounds / errors) <= 1e4
