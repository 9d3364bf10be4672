"""Losses of network functions on other data, against sums over the samples."""

import numpy as np
import pytest

from lindyn_service.dynamics import tasks
from lindyn_service.dynamics.held_out import held_out


@pytest.mark.parametrize("count", [3, 40])
def test_losses_of_samples(count):
    rng = np.random.default_rng(1)
    x, y, functions = rng.standard_normal((count, 5)), rng.standard_normal((count, 2)), rng.standard_normal((4, 2, 5))
    matrix = np.diag([0.5, 1.0, 2.0, 3.0, 0.1])
    for whitening, seen in ((None, x), (matrix, x @ matrix)):
        expected = [np.sum((seen @ w.T - y) ** 2) / (2 * count) for w in functions]
        got = held_out(tasks.from_data(x, y, whiten=False), whitening).losses(functions)
        np.testing.assert_allclose(got, expected, rtol=1e-13)


def test_a_nonlinear_network_needs_samples():
    without = held_out(tasks.Moments(np.eye(2)), None)
    with pytest.raises(ValueError, match="evaluated on samples"):
        without.losses_of_networks((np.zeros((1, 2, 2)), np.zeros((1, 2, 2))), "relu")


@pytest.mark.parametrize("count", [3, 40])
def test_the_matrix_that_whitens(count):
    x = np.random.default_rng(2).standard_normal((count, 5))
    seen = tasks.from_data(x, x[:, :1], whiten=True).samples.inputs
    np.testing.assert_allclose(x @ tasks.whitening(x), seen, atol=1e-13)
