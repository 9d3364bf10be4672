"""Task-specific scores against the known fixed point of balanced networks."""

import numpy as np
import pytest
from support.experiments import computed, drawn
from support.flow import features_of_hierarchy

from lindyn_service.experiments.figure_4_5 import EXPERIMENT


def cosine(a, b):
    return np.sum(a * b) / (np.linalg.norm(a) * np.linalg.norm(b))


def scores(levels, lam):
    """At the fixed point W2 W1 = Y the representations are V diag((sqrt(lam^2 + 4 s^2) -+ lam) / 2) V^T."""
    features = features_of_hierarchy(levels).T
    u, s, vt = np.linalg.svd(features)
    root = np.sqrt(lam**2 + 4 * s**2)
    sides = {"input": (vt.T, (root - lam) / 2), "output": (u, (root + lam) / 2)}
    return {
        side: max(cosine((b * strength) @ b.T, (b * s**power) @ b.T) for power in (1, 2))
        for side, (b, strength) in sides.items()
    }


@pytest.mark.parametrize("levels", [1, 2, 3])
def test_scores_of_the_fixed_point(levels):
    lambdas = [-20.0, -2.0, 0.0, 0.3, 2.17, 50.0]
    table = computed(EXPERIMENT, levels=levels, lambdas=lambdas)
    for i, lam in enumerate(lambdas):
        for side, expected in scores(levels, lam).items():
            assert table.values(side)[i] == pytest.approx(expected, rel=1e-12), (lam, side)


@pytest.mark.parametrize("seed", range(6))
def test_the_saddle_is_avoided_at_zero(seed):
    """Half of all draws with lambda = 0 end at a saddle, which has a lower score."""
    table = computed(EXPERIMENT, lambdas=[0.0], seed=seed)
    assert table.values("input")[0] == pytest.approx(1, abs=1e-12)


def test_the_end_does_not_depend_on_the_start():
    first, second = (
        computed(EXPERIMENT, lambdas=[-3.0, 3.0], seed=seed, scale=scale) for seed, scale in ((1, 1.0), (2, 0.01))
    )
    for side in ("input", "output"):
        np.testing.assert_allclose(first.values(side), second.values(side), rtol=1e-12)


def test_picture_sorts_the_balances():
    table = computed(EXPERIMENT, lambdas=[2.0, -1.0, 0.5])
    (axes,) = drawn(EXPERIMENT, table).axes
    np.testing.assert_array_equal(axes.lines[0].get_xdata(), [-1, 0.5, 2])
    np.testing.assert_array_equal(axes.lines[0].get_ydata(), table.values("input")[[1, 2, 0]])
    np.testing.assert_array_equal(axes.lines[1].get_ydata(), table.values("output")[[1, 2, 0]])


@pytest.mark.figures
def test_published_values():
    table = computed(EXPERIMENT)
    lambdas = np.array(table.coordinates["lambda"])
    positive = lambdas[lambdas > 0]
    np.testing.assert_allclose(positive, np.logspace(0, np.log10(20), 30), rtol=1e-12)
    np.testing.assert_allclose(lambdas, [*-positive[::-1], 0, *positive], rtol=1e-12)
    # what gradient descent comes to, stopped at a mean squared error of 1e-3, is within 4e-4 of its end
    at = {
        lam: np.flatnonzero(np.isclose(lambdas, lam, rtol=1e-4, atol=0))[0] for lam in (-20, -1, 1, 2.0608, 4.7092, 20)
    }
    descended = {-20: 0.958829, -1: 0.997463, 1: 0.997686, 2.0608: 0.992248, 4.7092: 0.998197, 20: 0.999985}
    for lam, value in descended.items():
        assert table.values("input")[at[lam]] == pytest.approx(value, abs=4e-4)
    np.testing.assert_allclose(table.values("output"), table.values("input")[::-1], rtol=1e-12)


@pytest.mark.figures
def test_published_values_of_the_end():
    """To the published digits."""
    expected = {0.0: 1, 1.0: 0.9977, 5.0: 0.9985, 20.0: 0.99999, -5.0: 0.9738, -20.0: 0.9588, -1e4: 0.9571}
    table = computed(EXPERIMENT, lambdas=list(expected))
    np.testing.assert_allclose(table.values("input"), list(expected.values()), rtol=0, atol=5e-5)


@pytest.mark.figures
def test_published_minimum():
    lambdas = np.linspace(2.0, 2.35, 176)
    table = computed(EXPERIMENT, lambdas=lambdas.tolist())
    place = np.argmin(table.values("input"))
    assert lambdas[place] == pytest.approx(2.174, abs=0.002)
    assert table.values("input")[place] == pytest.approx(0.9916, abs=5e-5)
