"""Derivatives, likelihoods and boxes, against formulae and other libraries."""

import numpy as np
import pytest
from scipy import stats

from lindyn_service.inference.box import Box
from lindyn_service.inference.likelihood import Observed
from lindyn_service.inference.objective import Objective, Part

TIMES = np.linspace(0.1, 5.0, 40)


def box(*bounds, logarithmic=None):
    low, high = np.array(bounds, dtype=float).T
    return Box(low, high, np.array(logarithmic or [True] * len(bounds)))


def gaussian(values, sigma=0.1, *, unknown=False):
    size = np.ones(len(values))
    return Observed(np.asarray(values, dtype=float), sigma * size, 0 * size, unknown)


def exponential(values):
    """Curves a e^{-t / b} of rows (a, b)."""
    return values[:, :1] * np.exp(-TIMES / values[:, 1:])


def objective(observed=None, bounds=((0.1, 10.0), (0.1, 10.0))):
    found = observed or gaussian(exponential(np.array([[2.0, 1.5]]))[0])
    return Objective(found, [Part(np.arange(2), np.arange(len(found)), exponential)], box(*bounds))


def test_positions_and_values():
    mixed = box((1e-3, 1e3), (-2.0, 5.0), logarithmic=[True, False])
    values = np.array([[0.5, -1.0], [1e3, 5.0]])
    assert np.allclose(mixed.position(values), [[np.log(0.5), -1.0], [np.log(1e3), 5.0]])
    assert np.allclose(mixed.values(mixed.position(values)), values, rtol=1e-14, atol=0)
    assert np.allclose(mixed.slopes(mixed.position(values[0])), [0.5, 1.0])
    assert np.allclose(mixed.values(mixed.upper), mixed.high)
    assert np.all(mixed.values(mixed.upper + 1.0) == mixed.high)  # whatever the rounding of the exponential


def test_starts_are_the_first_one_and_cover_every_range():
    starts = box((1.0, np.e), (-2.0, 5.0), logarithmic=[True, False]).starts(9, np.array([0.2, 0.0]))
    assert starts.shape == (9, 2)
    assert np.array_equal(starts[0], [0.2, 0.0])
    assert np.allclose(np.sort(starts[1:, 0]), (np.arange(8) + 0.5) / 8)
    assert np.allclose(np.sort(starts[1:, 1]), -2 + 7 * (np.arange(8) + 0.5) / 8)
    assert box((1.0, 2.0)).starts(1, np.array([0.3])).tolist() == [[0.3]]


def test_derivatives_of_a_curve():
    """d a e^{-t / b} / d ln a and d ln b are known."""
    found, position = objective(), np.log([2.0, 1.5])
    curve = exponential(np.array([[2.0, 1.5]]))[0]
    exact = np.stack([curve, curve * TIMES / 1.5], axis=1)
    assert np.allclose(found.evaluated(position)[0], curve, rtol=1e-15, atol=0)
    assert np.allclose(found.evaluated(position)[1], exact, rtol=1e-7, atol=1e-8)
    assert np.allclose(found.evaluated(position, precise=True)[1], exact, rtol=1e-10, atol=1e-11)
    assert np.allclose(found.linearised(position, np.array([1]))[1], exact[:, 1:] / 0.1, rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("place", ["lower", "upper"])
def test_derivatives_at_a_bound_stay_within_it(place):
    seen = []

    def curve(values):
        seen.append(values)
        return exponential(values)

    whole = objective()
    found = Objective(whole.observed, [Part(np.arange(2), np.arange(40), curve)], whole.box)
    derivatives = found.evaluated(getattr(found.box, place), precise=True)[1]
    assert np.all(np.isfinite(derivatives))
    values = np.concatenate(seen)
    assert np.all((values >= 0.1) & (values <= 10.0))


def test_a_parameter_without_curves_beside_it_counts_as_without_effect():
    def curve(values):
        return np.where(values[:, 1:] == 1.5, exponential(values), np.nan)

    found = Objective(objective().observed, [Part(np.arange(2), np.arange(40), curve)], box((0.1, 10), (0.1, 10)))
    derivatives = found.evaluated(np.log([2.0, 1.5]))[1]
    assert np.all(derivatives[:, 0] > 0)
    assert not np.any(derivatives[:, 1])
    assert found.squares(np.log([[2.0, 1.4]])) == [np.inf]


def test_parts_depend_on_their_own_parameters():
    """Two subjects with a rate each; the amplitude is shared."""
    values = np.concatenate([exponential(np.array([[2.0, b]]))[0] for b in (0.7, 1.5)])
    parts = [
        Part(np.array([0, 1]), np.arange(40), exponential),
        Part(np.array([0, 2]), np.arange(40, 80), exponential),
    ]
    found = Objective(gaussian(values), parts, box((0.1, 10), (0.1, 10), (0.1, 10)))
    position = np.log([2.0, 0.7, 1.5])
    residuals, derivatives = found.linearised(position)
    assert np.max(np.abs(residuals)) < 1e-12
    assert not np.any(derivatives[40:, 1])
    assert not np.any(derivatives[:40, 2])
    assert np.all(derivatives[:, 0] > 0)


def test_gaussian_likelihood():
    observed, curve = gaussian([1.0, 2.0, 4.0], 0.3), np.array([1.1, 1.7, 4.2])
    assert observed.log_likelihood(curve) == pytest.approx(stats.norm(curve, 0.3).logpdf(observed.values).sum())
    unknown = gaussian([1.0, 2.0, 4.0], 1.0, unknown=True)
    best = np.sqrt(np.mean((observed.values - curve) ** 2))
    assert unknown.log_likelihood(curve) == pytest.approx(stats.norm(curve, best).logpdf(observed.values).sum())


def counts(successes, trials):
    values = np.asarray(successes, dtype=float)
    return Observed(values, np.ones(len(values)), np.asarray(trials, dtype=float), is_sigma_unknown=False)


def test_binomial_likelihood_and_residuals():
    """Residuals are signed roots of the deviance, which is twice the log-likelihood ratio to the observed shares."""
    observed, logit = counts([0, 3, 9, 5, 1], [4, 10, 9, 10, 1]), np.array([-1.0, 0.3, 2.0, 0.0, 40.0])
    p = 1 / (1 + np.exp(-logit))
    expected = stats.binom(observed.trials, p).logpmf(observed.values)
    assert observed.log_likelihood(logit) == pytest.approx(expected.sum())
    best = stats.binom(observed.trials, observed.values / observed.trials).logpmf(observed.values)
    residuals = observed.residuals(logit)
    assert np.allclose(residuals**2, 2 * (best - expected), atol=1e-12)
    assert np.array_equal(np.sign(residuals), [1, 1, -1, 0, 0])
    assert np.allclose(observed.expected(logit), observed.trials * p)


def test_slopes_of_binomial_residuals():
    observed = counts([0, 3, 9, 5, 3], [4, 10, 9, 10, 10])
    logit = np.array([-1.0, 0.3, 2.0, 0.0, np.log(3 / 7) + 1e-9])  # the last two are at their observed shares
    step = 1e-5
    slopes = (observed.residuals(logit + step) - observed.residuals(logit - step)) / (2 * step)
    assert np.allclose(observed.slopes(logit), slopes, rtol=1e-5, atol=0)
    assert np.allclose(observed.information(logit) ** 2, observed.expected_slopes(logit))
