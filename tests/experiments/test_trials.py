"""Random problems side by side against least squares on the samples that they come from."""

import numpy as np

from lindyn_service.dynamics.tasks import regression
from lindyn_service.experiments.trials import balanced_trials, excess, regression_trials


def sources(seeds):
    return [np.random.default_rng(seed) for seed in seeds]


def test_tasks_are_those_of_the_samples():
    sigma_yx, irreducible = regression_trials(3, 7, sources([1, 2]))
    for trial, rng in enumerate(sources([1, 2])):
        samples = regression(3, 3, 7, rng).samples
        np.testing.assert_allclose(samples.inputs.T @ samples.inputs / 7, np.eye(3), atol=1e-14)
        best, *_ = np.linalg.lstsq(samples.inputs, samples.targets)
        np.testing.assert_allclose(sigma_yx[trial], best.T, rtol=1e-12)
        residual = np.sum((samples.inputs @ best - samples.targets) ** 2) / (2 * 7)
        np.testing.assert_allclose(irreducible[trial], residual, rtol=1e-12)
        w = np.ones((3, 3))
        loss = np.sum((samples.inputs @ w.T - samples.targets) ** 2) / (2 * 7)
        np.testing.assert_allclose(excess(w - sigma_yx)[trial] + irreducible[trial], loss, rtol=1e-12)


def test_as_many_samples_as_units_leave_no_loss():
    np.testing.assert_allclose(regression_trials(4, 4, sources(range(5)))[1], 0, atol=1e-13)


def test_weights_are_balanced_and_each_trials_own():
    w1, w2 = balanced_trials(4, -2.0, sources([1, 2, 3]))
    assert w1.shape == w2.shape == (3, 4, 4)
    for a, b in zip(w1, w2, strict=True):
        np.testing.assert_allclose(b.T @ b - a @ a.T, -2 * np.eye(4), atol=1e-12)
    assert len(np.unique(w1)) == w1.size


def test_the_product_of_the_weights_is_that_of_two_standard_normal_matrices():
    """E ||W2 W1||^2 = n^3."""
    w1, w2 = balanced_trials(4, 3.0, sources(range(400)))
    sizes = np.sum((w2 @ w1) ** 2, axis=(1, 2))
    assert abs(np.mean(sizes) - 64) < 4 * np.std(sizes) / 20
