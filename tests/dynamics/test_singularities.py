"""Complex times at which modes diverge, and the degrees of polynomials that follow from them."""

import mpmath
import numpy as np
import pytest
from support.problems import Drawn

from lindyn_service.dynamics.chebyshev import Interval
from lindyn_service.dynamics.initialization import balanced_weights
from lindyn_service.dynamics.modes import modes
from lindyn_service.dynamics.riccati import Solution
from lindyn_service.dynamics.singularities import Singularities


def single_mode(lam: float, scale: float) -> Drawn:
    """A network whose function has the sign of the task, so that the mode grows."""
    w1, w2 = balanced_weights((1, 1, 1), lam, scale, np.random.default_rng(3))
    return Drawn(w1, w2, 1.3 * np.sign(w2 @ w1), lam)


@pytest.mark.parametrize("scale", [0.01, 0.3, 2.0])
@pytest.mark.parametrize("lam", [0.0, 0.4, -3.0])
def test_a_single_mode_diverges_at_its_singularity(lam, scale):
    """P = Q Q^T has a pole where I + Q0^T (int_0^t e^{2Fs} ds) Q0 vanishes."""
    drawn = single_mode(lam, scale)
    q0 = np.array([drawn.w1[0, 0], drawn.w2[0, 0]])
    half, s = lam / 2, float(drawn.sigma_yx[0, 0])
    f = mpmath.matrix([[-half, s], [s, half]])  # of [w1, w2], from the flow of both layers
    values, vectors = mpmath.eigsy(f)
    along = vectors.T * mpmath.matrix(q0.tolist())
    found = drawn.solve().singularities.times[0]
    found = found[np.isfinite(found)]
    assert len(found) == (2 if lam else 1)  # with lambda = 0, the decaying coordinate is 0
    for time in found:
        integrals = [(mpmath.exp(2 * f * mpmath.mpc(time)) - 1) / (2 * f) for f in values]
        terms = [along[i] ** 2 * integrals[i] for i in range(2)]
        assert abs(1 + sum(terms)) <= 1e-12 * (1 + sum(map(abs, terms)))


@pytest.mark.parametrize("n", [3, 8, 20])
@pytest.mark.parametrize("lam", [0.0, 1.0, 30.0])
def test_polynomials_of_these_degrees_are_as_accurate_as_evaluation(lam, n):
    rng = np.random.default_rng(n)
    w1, w2 = balanced_weights((n, n, n), lam, 0.5 / np.sqrt(n), rng)
    solution = Drawn(w1, w2, rng.standard_normal((n, n)) / np.sqrt(n), lam).solve()
    for first, last in ((0.0, 2.0), (2.0, 6.0), (0.0, 6.0)):
        unit = float(1 / solution.modes.kappa[0])
        interval = Interval(first, last, unit, solution.singularities.degree(Interval(first, last, unit, 1)))
        times = np.linspace(first, last, 301)
        got = np.tensordot(interval.weights(times), evaluated(solution, interval.times), 1)
        expected = evaluated(solution, times)
        assert np.max(np.abs(got - expected)) <= 1e-12 * np.max(np.abs(expected))


def evaluated(solution: Solution, times: np.ndarray) -> np.ndarray:
    factors = solution.at(times)
    return factors.out @ factors.into.transpose(0, 2, 1)


def test_singularities_far_beyond_an_interval_do_not_matter():
    """Squares of their positions in a short interval overflow, and the logarithm of -1 unit is infinite."""
    interval = Interval(0.0, 1e-200, 1.0, 1)
    none = Singularities(np.array([[np.nan + 0j]])).degree(interval)
    for time in (1e10 + 2e9j, -1.0 + 0j):
        assert Singularities(np.array([[time]])).degree(interval) == none


def test_modes_that_the_weights_do_not_reach_have_no_singularities():
    rng = np.random.default_rng(1)
    w1, w2 = balanced_weights((4, 2, 4), 0.0, 0.3, rng)
    found = Drawn(w1, w2, rng.standard_normal((4, 4)), 0.0).solve().singularities
    assert np.count_nonzero(found.times.imag > 0) == 2


@pytest.mark.parametrize(("first", "last"), [(0.0, 1.0), (0.0, 20.0), (50.0, 1000.0)])
def test_without_singularities_the_degree_is_that_of_exponentials(first, last):
    solution = single_mode(0.0, 0.3).solve()
    still = Solution(modes(np.zeros((1, 1)), 0.0), solution.start).singularities
    assert np.all(np.isnan(still.times))
    interval = Interval(first, last, 1.0, still.degree(Interval(first, last, 1.0, 1)))
    times = np.linspace(first, last, 101)
    for rate in np.geomspace(1e-4, 2, 50):
        found = interval.weights(times) @ np.exp(-rate * interval.times)
        assert np.allclose(found, np.exp(-rate * times), rtol=0, atol=1e-14)
