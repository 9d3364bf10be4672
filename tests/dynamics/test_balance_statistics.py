"""Statistics of B = w2^T w2 - w1 w1^T against Monte Carlo, exact moments and the thesis's tables as corrected."""

import tracemalloc

import numpy as np
import pytest

from lindyn_service.dynamics.balance_statistics import Limits, limits, predicted, sampled, tabulated
from lindyn_service.dynamics.random_weights import variance

SCHEMES = ("lecun", "glorot", "he", "scaled", "normal")
DIMS = [(4, 3, 5), (2, 4, 3), (6, 1, 2)]


def draws(dims, a1, a2, samples, rng):
    n_in, n_hidden, n_out = dims
    w1 = rng.normal(0, np.sqrt(a1), (samples, n_hidden, n_in))
    w2 = rng.normal(0, np.sqrt(a2), (samples, n_out, n_hidden))
    return np.einsum("soa,sob->sab", w2, w2) - np.einsum("sai,sbi->sab", w1, w1)


def standard_scores(b, mean, spread):
    """Deviations of the sample mean and variance, in units of their standard errors."""
    deviation = b - b.mean(axis=0)
    second, fourth = np.mean(deviation**2, axis=0), np.mean(deviation**4, axis=0)
    of_mean = (b.mean(axis=0) - mean) / np.sqrt(second / len(b))
    of_variance = (second - spread) / np.sqrt((fourth - second**2) / len(b))
    return of_mean, of_variance


@pytest.mark.parametrize("dims", DIMS)
def test_theorem_3_1_1_corrected(dims):
    found = predicted(dims, 0.7, 1.3)
    b = draws(dims, 0.7, 1.3, 200_000, np.random.default_rng(0))
    for scores in standard_scores(b, found.mean, found.variance):
        assert np.all(np.abs(scores) < 4.5)


def test_zeros_of_the_mean_are_positive():
    assert not np.any(np.signbit(predicted((4, 3, 2), 1.0, 1.0).mean) & ~np.eye(3, dtype=bool))


def test_printed_theorem_3_1_1_is_refuted():
    """ERRATA: 4 on the diagonal of the variance; it is 2 there, in units of the variance off the diagonal."""
    b = draws((4, 3, 5), 0.7, 1.3, 200_000, np.random.default_rng(1))
    found = predicted((4, 3, 5), 0.7, 1.3)
    printed = found.variance * (1 + np.eye(3))
    _, scores = standard_scores(b, found.mean, printed)
    assert np.all(np.diagonal(scores) < -50)
    ratio = np.mean(np.diagonal(b.var(axis=0))) / np.mean(b.var(axis=0)[~np.eye(3, dtype=bool)])
    assert np.isclose(ratio, 2, rtol=0.02, atol=0)


def test_moments_by_quadrature():
    """Widths 1-1-1: B = x^2 - y^2, integrated exactly by Gauss-Hermite nodes."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(8)
    weights = np.outer(weights, weights) / weights.sum() ** 2
    b = 1.3 * nodes[:, None] ** 2 - 0.7 * nodes**2
    mean = np.sum(weights * b)
    found = predicted((1, 1, 1), 0.7, 1.3)
    assert np.isclose(found.mean.item(), mean, rtol=1e-13, atol=0)
    assert np.isclose(found.variance.item(), np.sum(weights * (b - mean) ** 2), rtol=1e-13, atol=0)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_samples_agree_with_the_prediction(scheme):
    dims, gains, samples = (4, 3, 6), (0.8, 1.4), 60_000
    found = sampled(dims, scheme, gains, samples, np.random.default_rng(3))
    a1, a2 = variance(scheme, 4, 3, 0.8), variance(scheme, 3, 6, 1.4)
    expected = predicted(dims, a1, a2)
    b = draws(dims, a1, a2, samples, np.random.default_rng(4))
    fourth = np.mean((b - b.mean(axis=0)) ** 4, axis=0)
    error_of_variance = np.sqrt((fourth - expected.variance**2) / samples)
    assert np.all(np.abs(found.mean - expected.mean) < 4.5 * np.sqrt(expected.variance / samples))
    assert np.all(np.abs(found.variance - expected.variance) < 4.5 * error_of_variance)


class Recording(np.random.Generator):
    """A generator that records its samples."""

    def __init__(self, seed):
        super().__init__(np.random.PCG64(seed))
        self.given = []

    def standard_normal(self, *args, **kwargs):
        self.given.append(super().standard_normal(*args, **kwargs))
        return self.given[-1].copy()


@pytest.mark.parametrize(("dims", "samples"), [((60, 50, 40), 70), ((300, 200, 700), 4), ((2, 3, 4), 2)])
def test_batches_give_the_statistics_of_all_samples(dims, samples):
    rng = Recording(5)
    found = sampled(dims, "scaled", (1.0, 2.0), samples, rng)
    w1 = np.concatenate(rng.given[::2]) / np.sqrt(dims[0])
    w2 = np.concatenate(rng.given[1::2]) * 2 / np.sqrt(dims[1])
    b = w2.mT @ w2 - w1 @ w1.mT
    assert len(b) == samples
    assert (len(rng.given) > 2) == (samples > 2)
    assert np.allclose(found.mean, b.mean(axis=0), rtol=0, atol=1e-12)
    assert np.allclose(found.variance, b.var(axis=0, ddof=1), rtol=1e-11, atol=0)


def test_memory_does_not_grow_with_the_samples():
    tracemalloc.start()
    sampled((10, 10, 10), "he", (1.0, 1.0), 20_000, np.random.default_rng(0))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8e6  # all balances at once are 16e6 bytes, the weights 32e6


def test_one_sample_has_no_variance():
    with pytest.raises(ValueError, match="at least 2 samples, got 1"):
        sampled((2, 2, 2), "he", (1.0, 1.0), 1, np.random.default_rng(0))


def table_entries(scheme, n, k, r, g1, g2):
    """Lambda and the off-diagonal variance of Tables 3.1 and 3.2, corrected."""
    if scheme == "glorot":
        lam = 2 * (r * g2**2 / (k + r) - g1**2 / (k + 1))
        return lam, 4 / n * (r * g2**4 / (r + k) ** 2 + g1**4 / (k + 1) ** 2)
    if scheme == "normal":
        return n * (r * g2**2 - g1**2), n * (r * g2**4 + g1**4)
    factor = 2 if scheme == "he" else 1
    return factor * (r / k * g2**2 - g1**2), factor**2 / n * (r / k**2 * g2**4 + g1**4)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_tables_3_1_and_3_2(scheme):
    gains = (0.8, 1.4)
    found = tabulated(scheme, 8, 1.5, 0.75, gains)
    lam, spread = table_entries(scheme, 8, 1.5, 0.75, *gains)
    assert np.isclose(found.lam, lam, rtol=1e-14, atol=0)
    assert np.isclose(found.off_diagonal, spread, rtol=1e-14, atol=0)
    assert np.isclose(found.diagonal, 2 * spread, rtol=1e-14, atol=0)
    # the widths 8-12-6 have these ratios
    moments = predicted((8, 12, 6), variance(scheme, 8, 12, gains[0]), variance(scheme, 12, 6, gains[1]))
    assert np.allclose(moments.mean, lam * np.eye(12), rtol=1e-14, atol=0)
    assert np.allclose(moments.variance, spread * (1 + np.eye(12)), rtol=1e-14, atol=0)


def test_printed_variance_of_scaled_weights_is_refuted():
    """Table 3.2 prints (r gain2^2 / k^2 + gain1^2) / n, without the squares that table 3.1 has."""
    b = draws(
        (8, 2, 6), variance("scaled", 8, 2, 2.0), variance("scaled", 2, 6, 3.0), 100_000, np.random.default_rng(6)
    )
    found, printed = tabulated("scaled", 8, 0.25, 0.75, (2.0, 3.0)), (0.75 * 9 / 0.25**2 + 4) / 8
    measured = np.var(b[:, 0, 1])
    assert np.isclose(measured, found.off_diagonal, rtol=0.03, atol=0)
    assert measured > 5 * printed


def test_figure_3_1():
    """Widths 40-120-200: .667, 1.333, 5.667 (gains 1 and 2) and .750."""
    expected = {"lecun": 2 / 3, "he": 4 / 3, "scaled": 17 / 3, "glorot": 3 / 4}
    for scheme, lam in expected.items():
        gains = (1.0, 2.0) if scheme == "scaled" else (1.0, 1.0)
        assert np.isclose(tabulated(scheme, 40, 3.0, 5.0, gains).lam, lam, rtol=1e-14, atol=0)


@pytest.mark.parametrize("k", [0.5, 3.0])
def test_equal_hidden_and_output_widths(k):
    """Column r = k of table 3.3: glorot is (k - 1)/(k + 1), where 0 is printed; 0 only for equal widths."""
    assert np.isclose(tabulated("glorot", 10, k, k, (1.0, 1.0)).lam, (k - 1) / (k + 1))
    assert np.isclose(tabulated("lecun", 10, k, k, (1.0, 1.0)).lam, 0, atol=1e-15)
    assert np.isclose(tabulated("he", 10, k, k, (1.0, 1.0)).lam, 0, atol=1e-15)
    assert np.isclose(tabulated("scaled", 10, k, k, (2.0, 3.0)).lam, 5)
    assert np.isclose(tabulated("scaled", 10, k, k * 4 / 9, (2.0, 3.0)).lam, 0, atol=1e-15)


@pytest.mark.parametrize("gains", [(1.0, 1.0), (0.8, 1.4)])
@pytest.mark.parametrize("scheme", SCHEMES)
def test_limits_of_table_3_3_are_approached_or_exceeded(scheme, gains):
    n, k, r, far = 10, 1.5, 0.75, 1e12
    found = limits(scheme, n, k, r, gains)
    at = {
        "narrow_output": lambda x: tabulated(scheme, n, k, 1 / x, gains).lam,
        "wide_output": lambda x: tabulated(scheme, n, k, x, gains).lam,
        "narrow_hidden": lambda x: tabulated(scheme, n, 1 / x, r, gains).lam,
        "wide_hidden": lambda x: tabulated(scheme, n, x, r, gains).lam,
    }
    for name, lam in at.items():
        limit = getattr(found, name)
        if limit is None:
            assert lam(far) > 1e5 * lam(1e6) > 1e10
        else:
            assert np.isclose(lam(far), limit, rtol=1e-10, atol=1e-10)


def test_table_3_3_corrected():
    assert limits("glorot", 10, 3.0, 2.0, (1.0, 1.0)) == Limits(-0.5, 1.5, 0.0, 0.0)
    assert limits("lecun", 10, 3.0, 2.0, (1.0, 1.0)) == Limits(-1.0, None, None, -1.0)
    assert limits("he", 10, 3.0, 2.0, (1.0, 1.0)) == Limits(-2.0, None, None, -2.0)
    assert limits("scaled", 10, 3.0, 2.0, (2.0, 3.0)) == Limits(-4.0, None, None, -4.0)
    assert limits("normal", 10, 3.0, 2.0, (1.0, 1.0)) == Limits(-10.0, None, 10.0, 10.0)
