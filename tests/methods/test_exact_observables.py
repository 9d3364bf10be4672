"""Quantities at many times, where the network function is interpolated, against high precision and few times."""

from functools import cache

import numpy as np
import pytest
from support.oracle import exact_qqt

from lindyn_service.dynamics.initialization import balanced_weights
from lindyn_service.dynamics.interpolation import network_functions
from lindyn_service.dynamics.tasks import Moments
from lindyn_service.methods.base import LearningProblem, answer
from lindyn_service.methods.exact import ExactSolver

N = 20
TIMES = np.linspace(0.0, 8.0, 1001)
SOME = [1, 137, 1000]


def problem(lam, quantities):
    rng = np.random.default_rng(N)
    weights = balanced_weights((N, N, N), lam, 0.2, rng)
    sigma_yx = rng.standard_normal((N, N)) / np.sqrt(N)
    return LearningProblem(weights, Moments(sigma_yx), 1.0, TIMES, quantities, lam)


@cache
def function(lam, i):
    """The network function at a time, in 80 digits."""
    asked = problem(lam, ())
    return exact_qqt(*asked.weights, asked.moments.sigma_yx, lam, TIMES[i])[N:, :N]


@pytest.mark.parametrize("quantities", [("output",), ("loss", "output"), ("excess_loss",)])
@pytest.mark.parametrize("lam", [0.0, 1.0])
def test_quantities_at_many_times_are_those_at_few_times(lam, quantities):
    asked = problem(lam, quantities)
    run = ExactSolver().examine(asked)
    needed = sum(part.n_nodes for part, _ in network_functions(run.solution(), TIMES))
    assert needed < len(TIMES) / 4, "this is not about interpolation any more"
    found = answer([ExactSolver()], asked).quantities
    assert list(found) == list(quantities)
    sigma_yx = asked.moments.sigma_yx
    for i in SOME:
        w = function(lam, i)
        if "output" in found:
            assert np.linalg.norm(found["output"][i] - w) <= 1e-13 * np.linalg.norm(w)
        for name in {"loss", "excess_loss"} & set(found):
            assert np.isclose(found[name][i], 0.5 * np.sum((w - sigma_yx) ** 2), rtol=1e-12, atol=1e-28)
