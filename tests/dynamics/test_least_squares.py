"""The best linear map and its loss against known maps, exact arithmetic and rounding error bounds."""

from fractions import Fraction

import numpy as np
import pytest

from lindyn_service.dynamics.least_squares import of_moments, of_samples, principal_parts, spanned, unexplained
from lindyn_service.dynamics.tasks import from_data, semantic


def loss_of(inputs, targets):
    return unexplained(inputs, targets, principal_parts(inputs))


def exact_loss(inputs, targets):
    """Loss of one input and one target, in fractions."""
    x, y = ([Fraction(float(value)) for value in column] for column in (inputs, targets))
    xx, xy, yy = (sum(a * b for a, b in zip(*pair, strict=True)) for pair in ((x, x), (x, y), (y, y)))
    return float((yy - xy * xy / xx) / (2 * len(x)))


SHAPES = [(1, 1), (6, 3), (40, 5), (4, 7), (300, 20)]


@pytest.mark.parametrize("spread", [0, 2, 5, 7], ids="10^{}".format)
@pytest.mark.parametrize(("n_samples", "n_in"), SHAPES)
def test_explained_targets_have_loss_zero(n_samples, n_in, spread):
    """Sizes of the inputs and of each target do not matter."""
    for seed in range(20):
        rng = np.random.default_rng(seed)
        inputs = rng.standard_normal((n_samples, n_in)) * 10 ** rng.uniform(-spread, 0, n_in)
        weights = rng.standard_normal((2, n_in)) * [[1.0], [1e30]]
        for targets in (inputs @ weights.T, inputs @ (np.eye(n_in)[: min(n_in, 2)].T)):
            assert loss_of(inputs, targets) == 0
            for whiten in (False, True):
                assert from_data(inputs, targets, whiten=whiten).fit.loss == 0


def test_repeated_and_zero_inputs_do_not_change_the_loss():
    rng = np.random.default_rng(3)
    inputs = rng.standard_normal((9, 3)) @ np.array([[1.0, 0, 1, 0, 2], [0, 1, 1, 0, -1], [0, 0, 1, 0, 1 / 3]])
    assert len(principal_parts(inputs).strengths) == 3
    assert loss_of(inputs, inputs @ rng.standard_normal((5, 2))) == 0


def test_as_many_samples_as_inputs_explain_any_targets():
    rng = np.random.default_rng(4)
    assert loss_of(rng.standard_normal((5, 5)), rng.standard_normal((5, 3))) == 0
    assert loss_of(rng.standard_normal((3, 5)), rng.standard_normal((3, 4))) == 0


@pytest.mark.parametrize("size", [1.0, 1e-3, 1e-6, 1e-9, 1e-12])
def test_small_residuals_keep_their_digits(size):
    """A difference of squares would lose digits."""
    rng = np.random.default_rng(5)
    inputs = rng.standard_normal((12, 1))
    targets = inputs + size * rng.standard_normal((12, 1))
    expected = exact_loss(inputs[:, 0], targets[:, 0])
    assert np.isclose(loss_of(inputs, targets), expected, rtol=1e-15 / size + 1e-13, atol=0)


def test_one_target_is_explained_and_another_is_not():
    rng = np.random.default_rng(6)
    inputs = rng.standard_normal((12, 2))
    rough = rng.standard_normal(12)
    targets = np.stack([1e25 * inputs[:, 0], rough], axis=1)
    best = np.linalg.lstsq(inputs, rough, rcond=None)[0]
    assert np.isclose(loss_of(inputs, targets), np.sum((inputs @ best - rough) ** 2) / 24, rtol=1e-13, atol=0)


@pytest.mark.parametrize("unit", [1e-320, 1e-200, 1e-70, 1e70])
def test_units_of_the_inputs_do_not_matter(unit):
    inputs = np.array([[1.0, 2.0], [-1.0, 1.0], [0.5, 0.0]])
    targets = np.array([[1.0], [0.0], [2.0]])
    assert np.isclose(
        loss_of(unit * inputs, targets), loss_of(inputs, targets), rtol=1e-2 if unit < 1e-300 else 1e-13, atol=0
    )
    assert loss_of(unit * inputs, 1e70 * targets) > 1e139


@pytest.mark.parametrize("scales", [(1.0, 1.0, 1.0), (1e5, 1.0, 1.0), (1.0, 1e-7, 1e3)])
def test_the_best_function_and_the_variances(scales):
    rng = np.random.default_rng(8)
    orthogonal = np.linalg.qr(rng.standard_normal((20, 3)))[0]
    inputs, known = np.sqrt(20) * orthogonal * scales, rng.standard_normal((2, 3)) / scales
    found = of_samples(inputs, inputs @ known.T, principal_parts(inputs))
    assert np.allclose(found.best * scales, known * scales, rtol=0, atol=1e-13)
    assert np.allclose(found.variances / np.sort(np.square(scales))[::-1], 1, rtol=0, atol=1e-5)
    assert np.allclose(found.right @ found.right.T, np.eye(3), atol=1e-14)


@pytest.mark.parametrize("scales", [(1.0, 1.0, 1.0), (1e5, 1.0, 1.0), (1.0, 1e-5, 1e1)])
def test_moments_of_inputs_of_different_sizes(scales):
    """Their eigenvalues would have errors of eps times the largest."""
    correlation = np.array([[2.0, 0.5, -0.3], [0.5, 1.0, 0.2], [-0.3, 0.2, 1.5]])
    known, sizes = np.array([[1.0, -2.0, 0.5], [0.25, 1.0, 3.0]]), np.array(scales)
    sigma_xx, sigma_yx = sizes[:, None] * correlation * sizes, known @ correlation * sizes
    whole = float(np.sum(known @ correlation * known))
    found = of_moments(sigma_yx, sigma_xx, whole)
    assert np.allclose(found.best * sizes, known, rtol=1e-15 * np.max(sizes) / np.min(sizes) + 1e-14, atol=0)
    assert found.loss == 0
    assert np.isclose(of_moments(sigma_yx, sigma_xx, whole + 1e-3).loss, 5e-4, rtol=1e-10, atol=0)
    assert of_moments(sigma_yx, sigma_xx, None).loss is None


def test_moments_of_white_inputs():
    sigma_yx = np.array([[0.1, 0.7], [0.3, 0.2]])
    squares = float(np.sum(sigma_yx * sigma_yx))
    assert of_moments(sigma_yx, None, squares * (1 + 1e-16)).loss == 0
    assert np.isclose(of_moments(sigma_yx, None, squares + 1).loss, 0.5, rtol=1e-14, atol=0)


def test_each_item_of_the_hierarchy_is_explained():
    assert semantic(4).fit.loss == 0


def test_rank_of_the_inputs():
    eps = np.finfo(float).eps
    assert spanned(np.array([1e-12, 1.0])).tolist() == [True, True]
    assert spanned(np.array([-eps, eps, 1.0])).tolist() == [False, False, True]
    assert spanned(np.zeros(2)).tolist() == [False, False]
