"""Random draws against the variances of the cited schemes."""

import numpy as np
import pytest
from scipy import stats

from lindyn_service.dynamics.balance_statistics import limits, predicted, sampled, tabulated
from lindyn_service.dynamics.random_weights import kurtosis, random_weights, variance

SCHEMES = ("lecun", "glorot", "he", "scaled", "normal")


@pytest.mark.parametrize(
    ("scheme", "expected"),
    [("lecun", 1 / 3), ("glorot", 0.2), ("he", 2 / 3), ("scaled", 1 / 3), ("normal", 1.0), ("torch", 1 / 9)],
)
def test_variance(scheme, expected):
    assert np.isclose(variance(scheme, 3, 7, 1.0), expected, rtol=1e-15, atol=0)
    assert np.isclose(variance(scheme, 3, 7, 0.5), expected / 4, rtol=1e-15, atol=0)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_entries_are_gaussian_with_the_variance_of_the_layer(scheme):
    dims, gains = (300, 50, 80, 200), (1.0, 0.3, 2.5)
    layers = random_weights(dims, scheme, gains, np.random.default_rng(1))
    assert [w.shape for w in layers] == [(50, 300), (80, 50), (200, 80)]
    for w, gain, fan_in, fan_out in zip(layers, gains, dims[:-1], dims[1:], strict=True):
        by_definition = {"lecun": 1 / fan_in, "glorot": 2 / (fan_in + fan_out), "he": 2 / fan_in, "normal": 1.0}
        a = gain**2 * by_definition.get(scheme, 1 / fan_in)
        assert stats.kstest(w.ravel(), "norm", (0, np.sqrt(a))).pvalue > 1e-3
        # the sum of squares over a is chi-squared with as many degrees of freedom as entries
        assert 1e-4 < stats.chi2.cdf(np.sum(w * w) / a, w.size) < 1 - 1e-4


def test_layers_are_independent_draws_of_the_generator():
    first, second = random_weights((40, 40, 40), "normal", (1.0, 1.0), np.random.default_rng(2))
    again, _ = random_weights((40, 40, 40), "normal", (1.0, 1.0), np.random.default_rng(2))
    assert np.array_equal(first, again)
    assert stats.pearsonr(first.ravel(), second.ravel()).pvalue > 1e-3


def test_each_layer_has_a_gain():
    with pytest.raises(ValueError):
        random_weights((2, 3, 4), "he", (1.0,), np.random.default_rng(0))


def test_torch_is_uniform_within_one_over_the_root_of_fan_in():
    layers = random_weights((300, 50, 80), "torch", (1.0, 0.5), np.random.default_rng(3))
    for w, bound in zip(layers, (1 / np.sqrt(300), 0.5 / np.sqrt(50)), strict=True):
        assert stats.kstest(w.ravel(), "uniform", (-bound, 2 * bound)).pvalue > 1e-3
        assert 0.999 * bound < np.max(np.abs(w)) <= bound


def test_balance_of_uniform_entries():
    """The variance on the diagonal is that of w^2, which is smaller for uniform entries than for Gaussian ones."""
    dims, gains = (4, 2, 3), (1.0, 1.0)
    a1, a2 = (variance("torch", *fans, 1.0) for fans in ((4, 2), (2, 3)))
    found = sampled(dims, "torch", gains, 40_000, np.random.default_rng(1))
    expected = predicted(dims, a1, a2, kurtosis("torch"))
    assert np.allclose(found.mean, expected.mean, atol=0.02)
    assert np.allclose(found.variance, expected.variance, rtol=0.03, atol=0)
    entries = tabulated("torch", 4, 0.5, 0.75, gains)
    assert np.isclose(entries.lam, expected.mean[0, 0])
    assert np.isclose(entries.diagonal, expected.variance[0, 0])
    assert np.isclose(limits("torch", 4, 0.5, 0.75, gains).narrow_output, -1 / 3)
