"""Changes of the layers' Gram matrices against differences in a hundred digits."""

import mpmath as mp
import numpy as np
import pytest
from support.oracle import rate
from support.riccati import gram_matrices

from lindyn_service.dynamics.closed_form import closed_form
from lindyn_service.dynamics.gram_changes import gram_changes
from lindyn_service.dynamics.initialization import balanced_weights

TASK = np.array([[1.0, 2.0, -0.5], [0.3, -1.0, 0.7]])


@pytest.mark.parametrize("lam", [0.0, 1e-3, 3.0, 1e4, 1e8, -1e4, -1e8])
@pytest.mark.parametrize("scale", [1e-5, 0.5, 1e3])
def test_small_changes_have_all_their_digits(lam, scale):
    w1, w2 = balanced_weights((3, 2, 2), lam, scale, np.random.default_rng(4))
    times = np.array([0.0, 1e-9, 1e-3, 1e-3, 0.5, 7.0]) / rate(TASK, lam)
    solution = closed_form(w1, w2, TASK, lam)
    out, into = gram_changes(solution, times)
    u, v = solution.modes.u, solution.modes.v
    (into_0, out_0), *later = gram_matrices(w1, w2, TASK, lam, [0.0, *times])
    for i, (into_t, out_t) in enumerate(later):
        for got, basis, then, now in ((out[i], u, out_0, out_t), (into[i], v, into_0, into_t)):
            with mp.workdps(100):
                expected = np.array((now - then).tolist(), dtype=float)
            assert np.linalg.norm(basis @ got @ basis.T - expected) <= 1e-12 * np.linalg.norm(expected) + 1e-80


def test_weights_that_solve_the_task_stay():
    w = np.diag([2.0, 1.0])
    out, into = gram_changes(closed_form(w, w, w @ w, 0.0), np.array([0.0, 1.0, 100.0]))
    assert np.max(np.abs(out)) <= 1e-15
    assert np.max(np.abs(into)) <= 1e-15


@pytest.mark.parametrize("lam", [0.0, 1e6])
def test_the_longest_times(lam):
    """At times beyond all time scales, up to the largest float64 numbers, the changes are those of the limit."""
    w1, w2 = balanced_weights((3, 2, 2), lam, 0.5, np.random.default_rng(4))
    solution = closed_form(w1, w2, TASK, lam)
    settled = 1e3 * max(1.0, lam)
    out, into = gram_changes(solution, np.array([settled, 1e300, 1e307]))
    for changes in (out, into):
        assert np.allclose(changes[1:], changes[0], rtol=1e-9, atol=0)


def test_networks_without_weights_and_task_stay():
    nothing = np.zeros((2, 2))
    for changes in gram_changes(closed_form(nothing, nothing, nothing, 0.0), np.array([0.0, 1.0])):
        assert not np.any(changes)
