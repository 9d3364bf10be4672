"""Saddles and conditioning against known cases."""

import numpy as np
import pytest
from support.problems import qqt_at

from lindyn_service.dynamics.initialization import balanced_weights
from lindyn_service.dynamics.mode_overlap import mode_overlap
from lindyn_service.dynamics.riccati import solve


@pytest.mark.parametrize("n", [1, 2, 3, 5, 10, 50])
def test_sign_of_the_determinant_decides_the_saddle(n):
    """ERRATA, assumptions 2.2.1 and 2.2.4: with lambda = 0 and n_h = n, the sign of det(w2 w1) never changes."""
    rng = np.random.default_rng(n)
    for _ in range(20):
        w1, w2 = balanced_weights((n, n, n), 0.0, 0.1, rng)
        sigma_yx = rng.standard_normal((n, n))
        wrong = np.linalg.det(w2 @ w1) * np.linalg.det(sigma_yx) < 0
        found = mode_overlap(solve(w1, w2, sigma_yx, 0.0))
        assert found.missed == ((n - 1,) if wrong else ())
        assert found.reached == n - wrong
        assert (found.rounding_time is not None) == wrong


def test_a_balance_frees_the_saddle():
    w1, w2 = balanced_weights((3, 3, 3), 0.1, 0.1, np.random.default_rng(0))
    for sign in (1.0, -1.0):
        assert mode_overlap(solve(w1, w2, np.diag([3.0, 2.0, sign]), 0.1)).missed == ()


def test_bottleneck_is_no_saddle():
    w1, w2 = balanced_weights((4, 2, 4), 0.0, 0.1, np.random.default_rng(1))
    found = mode_overlap(solve(w1, w2, np.diag([4.0, 3.0, 2.0, 1.0]), 0.0))
    assert (found.missed, found.reached, found.task_rank) == ((), 2, 4)


def test_rank_of_the_task():
    w1, w2 = balanced_weights((3, 3, 3), 1.0, 0.1, np.random.default_rng(1))
    found = mode_overlap(solve(w1, w2, np.diag([4.0, 3.0, 0.0]), 1.0))
    assert (found.task_rank, found.reached, found.missed) == (2, 2, ())


@pytest.mark.parametrize("overlap", [1e-4, 1e-8, 1e-12])
def test_smallest_overlap_in_roundings(overlap):
    """The overlap is w1 + w2 along the last mode, accurate to eps times |w1| + |w2|."""
    w1, w2 = np.diag([1.0, 1.0 + overlap]), np.diag([1.0, -1.0])
    found = mode_overlap(solve(w1, w2, np.diag([2.0, 1.0]), 0.0))
    expected = overlap / (np.finfo(float).eps * 2)
    assert found.missed == ()
    assert np.isclose(found.smallest_overlap, expected, rtol=1e-3, atol=0)


def test_rounding_time_is_when_a_rounding_error_would_be_learned():
    w1, w2 = np.diag([1.0, 1.0]), np.diag([1.0, -1.0])
    task = np.diag([2.0, 1.0])
    time = mode_overlap(solve(w1, w2, task, 0.0)).rounding_time
    disturbed = solve(w1 * np.diag([1.0, 1.0 + 64 * np.finfo(float).eps]), w2, task, 0.0)

    def strength(at):
        return qqt_at(disturbed, at)[3, 1]

    assert strength(0.5 * time) < 1e-6
    assert strength(time) > 0.9


def test_weights_of_zero_have_no_overlap_at_all():
    found = mode_overlap(solve(np.zeros((2, 2)), np.zeros((2, 2)), np.eye(2), 0.0))
    assert (found.smallest_overlap, found.rounding_time, found.missed) == (None, None, (0, 1))
