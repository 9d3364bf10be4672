"""Tests of means of random draws against their expectations, with a bounded probability of false alarms."""

import numpy as np

FALSE_ALARM = 1e-7
"""Probability, for each test, that a correct program fails if the fixed seeds were drawn anew."""


def assert_mean(draws, expected):
    """Assert means over the first axis of independent draws, with entries in intervals of length 1 (Hoeffding 1963)."""
    draws = np.asarray(draws)
    expected = np.broadcast_to(expected, draws.shape[1:])
    tolerance = np.sqrt(np.log(2 * expected.size / FALSE_ALARM) / (2 * len(draws)))
    assert np.all(np.abs(draws.mean(axis=0) - expected) <= tolerance), (draws.mean(axis=0), tolerance)


def assert_isotropic(matrices):
    """Assert that symmetric positive semidefinite matrices, divided by their traces, have the mean I / n.

    Their diagonal entries are then in 0..1 and the others in -1/2..1/2.
    """
    matrices = np.asarray(matrices)
    traces = np.trace(matrices, axis1=1, axis2=2)
    assert_mean(matrices / traces[:, None, None], np.eye(matrices.shape[1]) / matrices.shape[1])


def assert_even(signs):
    """Assert that both signs are equally likely."""
    signs = np.asarray(signs)
    assert np.all(np.abs(signs) == 1)
    assert_mean(signs / 2, np.zeros(signs.shape[1:]))
