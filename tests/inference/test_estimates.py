"""Minima, uncertainties, intervals and rankings, against linear models, for which all of them are known exactly."""

import numpy as np
import pytest
from scipy import stats

from lindyn_service.inference.box import Box
from lindyn_service.inference.comparison import criteria, ranking
from lindyn_service.inference.likelihood import Observed
from lindyn_service.inference.minimum import Minimum, NoCurveError, minimum_from
from lindyn_service.inference.objective import Objective, Part
from lindyn_service.inference.optima import different_minima, separate_minima
from lindyn_service.inference.profile import profile
from lindyn_service.inference.uncertainty import dispersion_of, fisher_information, threshold, uncertainty

RNG = np.random.default_rng(3)
DESIGN = RNG.standard_normal((30, 3))
TRUTH = np.array([1.0, -2.0, 0.5])
VALUES = DESIGN @ TRUTH + 0.2 * RNG.standard_normal(30)


def linear(*, unknown=False, sigma=0.2, bound=10.0, curve=None, values=VALUES, n=3):
    size = np.ones(len(values))
    observed = Observed(np.asarray(values), (1.0 if unknown else sigma) * size, 0 * size, unknown)
    box = Box(np.full(n, -bound), np.full(n, bound), np.zeros(n, dtype=bool))
    part = Part(np.arange(n), np.arange(len(values)), curve or (lambda sets: sets @ DESIGN.T))
    return Objective(observed, [part], box)


def best_of(objective):
    return minimum_from(objective, np.zeros(len(objective.box)))


@pytest.mark.parametrize("unknown", [False, True])
def test_estimates_of_a_linear_model(unknown):
    objective = linear(unknown=unknown)
    found = best_of(objective)
    exact, rest, *_ = np.linalg.lstsq(DESIGN, VALUES)
    assert found.converged
    assert np.allclose(found.position, exact, rtol=1e-9, atol=0)
    variance = float(rest[0]) / 27 if unknown else 0.04
    known = uncertainty(objective, found.position, found.squares)
    assert known.dispersion == pytest.approx(variance if unknown else 1.0)
    covariance = variance * np.linalg.inv(DESIGN.T @ DESIGN)
    assert np.allclose(known.values, covariance, rtol=1e-8, atol=0)
    assert np.allclose(known.curve, np.sqrt(np.einsum("ij,jk,ik->i", DESIGN, covariance, DESIGN)), rtol=1e-8, atol=0)
    relative = np.abs(exact)[:, None] * np.linalg.inv(covariance) * np.abs(exact)
    assert known.condition == pytest.approx(np.linalg.cond(relative), rel=1e-6)
    assert fisher_information(objective, found.position) / known.dispersion == pytest.approx(
        np.linalg.inv(covariance), rel=1e-8
    )


@pytest.mark.parametrize("unknown", [False, True])
def test_profile_intervals_of_a_linear_model(unknown):
    """They are those of the normal distribution, or of Student's t where the standard deviation is estimated."""
    objective = linear(unknown=unknown)
    found = best_of(objective)
    known = uncertainty(objective, found.position, found.squares)
    wanted = threshold(30, 3, is_sigma_unknown=unknown)
    quantile = stats.t(27).ppf(0.975) if unknown else stats.norm.ppf(0.975)
    for i in range(3):
        traced = profile(objective, found, i, known.positions, known.dispersion, wanted)
        error = np.sqrt(known.values[i, i])
        assert traced.low[i] == pytest.approx(found.position[i] - quantile * error, abs=0.02 * error)
        assert traced.high[i] == pytest.approx(found.position[i] + quantile * error, abs=0.02 * error)
        assert not traced.is_open_below
        assert not traced.is_open_above
        assert np.all(np.diff(traced.coordinates) > 0)
        expected = ((traced.coordinates - found.position[i]) / error) ** 2
        assert np.allclose(traced.increases, expected, rtol=1e-5, atol=1e-8)


def test_a_profile_that_a_bound_ends():
    objective = linear(bound=2.01)
    found = best_of(objective)
    known = uncertainty(objective, found.position, found.squares)
    traced = profile(objective, found, 1, known.positions, 1.0, 1e5)
    assert traced.is_open_below
    assert traced.is_open_above
    assert (traced.low[1], traced.high[1]) == (-2.01, 2.01)


def test_a_profile_of_a_curved_model():
    """The ends of the interval of b in e^{-b t} are roots of the deviance, found here by bisection."""
    times = np.linspace(0.1, 4, 25)
    values = np.exp(-0.8 * times) + 0.1 * RNG.standard_normal(25)
    objective = linear(sigma=0.1, values=values, n=1, curve=lambda sets: np.exp(-sets * times))
    found = minimum_from(objective, np.array([0.5]))
    known = uncertainty(objective, found.position, found.squares)
    traced = profile(objective, found, 0, known.positions, 1.0, threshold(25, 1, is_sigma_unknown=False))

    def increase(b):
        return np.sum((np.exp(-b * times) - values) ** 2) / 0.01 - found.squares

    for (end,) in (traced.low, traced.high):
        assert increase(end) == pytest.approx(stats.chi2(1).ppf(0.95), rel=0.01)
    assert traced.high[0] - found.position[0] != pytest.approx(found.position[0] - traced.low[0], rel=0.02)


def test_what_observations_do_not_determine():
    """Only the product of the first two parameters has an effect."""
    objective = linear(
        curve=lambda sets: (sets[:, :1] * sets[:, 1:2]) * DESIGN[:, 0] + sets[:, 2:] * DESIGN[:, 1],
        values=2.0 * DESIGN[:, 0] + DESIGN[:, 1],
    )
    known = uncertainty(objective, np.array([1.0, 2.0, 1.0]), 0.0)
    assert known.condition == np.inf or known.condition > 1e10
    (direction,) = known.open_directions
    assert np.allclose(direction / direction[0], [1, -1, 0], atol=1e-6)
    assert np.sqrt(known.values[2, 2]) == pytest.approx(0.2 / np.linalg.norm(_without(DESIGN[:, 1], DESIGN[:, 0])))


def _without(first, second):
    return first - second * (first @ second) / (second @ second)


def test_a_descent_from_where_there_is_no_curve():
    objective = linear(curve=lambda sets: np.full((len(sets), 30), np.nan))
    with pytest.raises(NoCurveError):
        best_of(objective)


def test_a_descent_avoids_places_without_a_curve():
    def curve(sets):
        return np.where(np.sum(sets, axis=1, keepdims=True) < -1.0, np.nan, sets @ DESIGN.T)

    found = best_of(linear(curve=curve))
    assert np.allclose(found.position, np.linalg.lstsq(DESIGN, VALUES)[0], rtol=1e-6, atol=0)


def test_a_descent_that_runs_out_of_evaluations():
    def valley(sets):
        return np.stack([10 * (sets[:, 1] - sets[:, 0] ** 2), 1 - sets[:, 0]], axis=1)

    objective = linear(curve=valley, values=np.zeros(2), sigma=1.0, n=2)
    found = minimum_from(objective, np.array([-1.2, 1.0]), max_evaluations=3)
    assert not found.converged
    assert found.evaluations == 3
    assert minimum_from(objective, np.array([-1.2, 1.0])).position == pytest.approx([1.0, 1.0])


def test_a_model_without_parameters():
    objective = linear(n=0, curve=lambda sets: np.zeros((len(sets), 30)))
    found = best_of(objective)
    assert found.squares == pytest.approx(np.sum(VALUES**2) / 0.04)
    known = uncertainty(objective, found.position, found.squares)
    assert known.values.shape == (0, 0)
    assert known.condition == 1.0
    assert not np.any(known.curve)


def test_minima_that_fit_as_well_behind_a_barrier():
    """The square of a parameter has two, and a parameter without effect has none besides the first."""
    objective = linear(curve=lambda sets: sets[:, :1] ** 2 * DESIGN[:, 0], values=4 * DESIGN[:, 0], n=2)
    minima = [
        Minimum(np.array(place), objective.squares(np.array([place]))[0], 1, converged=True)
        for place in ([2.0, 0.0], [-2.0, 1.0], [2.0, 5.0], [2.0 + 1e-9, 1e-9], [0.0, 0.0])
    ]
    different = different_minima(objective, minima)
    assert len(different) == 4
    separate = separate_minima(objective, different, 1.0, 3.84)
    assert [found.position.tolist() for found in separate] == [[-2.0, 1.0]]


def test_the_dispersion_of_exact_values_is_that_of_rounding():
    objective = linear(unknown=True, values=DESIGN @ TRUTH)
    assert 0 < dispersion_of(objective, 0.0) < 1e-29
    assert np.isfinite(objective.observed.log_likelihood(DESIGN @ TRUTH))


def test_criteria_and_ranking():
    """Burnham and Anderson (2002), section 2.9: weights are relative likelihoods e^{-difference / 2}."""
    found = criteria(-10.0, 3, 20)
    assert (found.aic, found.bic) == (26.0, pytest.approx(3 * np.log(20) + 20))
    ranked = ranking({"full": 28.0, "lazy": 26.0, "rich": 36.0})
    assert [each.model for each in ranked] == ["lazy", "full", "rich"]
    assert [each.difference for each in ranked] == [0.0, 2.0, 10.0]
    likelihoods = np.exp([0.0, -1.0, -5.0])
    assert [each.weight for each in ranked] == pytest.approx((likelihoods / likelihoods.sum()).tolist())
    assert ranking({}) == []


def test_several_directions_that_observations_do_not_determine():
    """The product of two parameters has an effect, and a third has none: each direction has its own parameters."""
    objective = linear(curve=lambda sets: sets[:, :1] * sets[:, 1:2] * DESIGN[:, 0] + 0 * sets[:, 2:])
    directions = uncertainty(objective, np.array([1.0, 2.0, 1.0]), 0.0).open_directions
    assert len(directions) == 2
    alone, product = sorted(directions, key=np.count_nonzero)
    assert np.allclose(np.abs(alone), [0, 0, 1], atol=1e-6)
    assert np.allclose(product / product[0], [1, -1, 0], atol=1e-6)
