"""How far means of random draws may be from their expectation before that is no chance."""

import numpy as np

FALSE_ALARM = 1e-7
"""Probability, for each test, that a right program fails for other seeds; the seeds are fixed."""


def assert_mean(draws, expected):
    """Means over the first axis of independent draws, whose entries lie in intervals of length 1 (Hoeffding 1963)."""
    draws = np.asarray(draws)
    expected = np.broadcast_to(expected, draws.shape[1:])
    tolerance = np.sqrt(np.log(2 * expected.size / FALSE_ALARM) / (2 * len(draws)))
    assert np.all(np.abs(draws.mean(axis=0) - expected) <= tolerance), (draws.mean(axis=0), tolerance)


def assert_isotropic(matrices):
    """Symmetric positive semidefinite matrices, in units of their traces, have the mean I / n.

    Their diagonal entries are then in 0..1 and the others in -1/2..1/2.
    """
    matrices = np.asarray(matrices)
    traces = np.trace(matrices, axis1=1, axis2=2)
    assert_mean(matrices / traces[:, None, None], np.eye(matrices.shape[1]) / matrices.shape[1])


def assert_even(signs):
    """Signs of either kind are as likely."""
    signs = np.asarray(signs)
    assert np.all(np.abs(signs) == 1)
    assert_mean(signs / 2, np.zeros(signs.shape[1:]))
