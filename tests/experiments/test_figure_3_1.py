"""Balance of random weights against the moments of Gaussian matrices and the published draws."""

import numpy as np
import pytest
from support.experiments import computed, drawn, standard_errors_apart

from lindyn_service.experiments.figure_3_1 import EXPERIMENT

SCHEMES = ["LeCun", "He", "scaled", "Glorot"]
# means and deviations over 50 draws, 40-120-200: lambda*, ||B - lambda* I|| / ||lambda* I||, variances on and off
# the diagonal
PUBLISHED = {
    "LeCun": [(0.6665, 0.0226), (3.2600, 0.1358), (0.0770, 0.0095), (0.03892, 0.00106)],
    "He": [(1.3330, 0.0452), (3.2600, 0.1358), (0.3079, 0.0381), (0.15569, 0.00424)],
    "scaled": [(5.6690, 0.0611), (0.9647, 0.0078), (0.4932, 0.0602), (0.24718, 0.00495)],
    "Glorot": [(0.7501, 0.0139), (1.7399, 0.0382), (0.0279, 0.0035), (0.01407, 0.00031)],
}
QUANTITIES = ["lambda", "relative_distance", "diagonal_variance", "off_diagonal_variance"]


def moments(a1, a2, n_in, n_hidden, n_out):
    """Of B: mean, ||B - lambda* I|| / ||mean||, variances on and off the diagonal.

    Without the multiples of the identity the symmetric matrices have (hidden - 1) (hidden + 2) / 2 dimensions, of
    variance 2 spread each.
    """
    mean, spread = n_out * a2 - n_in * a1, n_out * a2**2 + n_in * a1**2
    distance = np.sqrt(spread * (n_hidden - 1) * (n_hidden + 2))
    return mean, distance / (abs(mean) * np.sqrt(n_hidden)), 2 * spread, spread


def test_theory_is_that_of_gaussian_matrices():
    n_in, n_hidden, n_out = dims = 6, 5, 8
    table = computed(EXPERIMENT, inputs=n_in, hidden=n_hidden, outputs=n_out, draws=1, gain_1=3.0, gain_2=0.5)
    variances = [
        (1 / n_in, 1 / n_hidden),
        (2 / n_in, 2 / n_hidden),
        (9 / n_in, 0.25 / n_hidden),
        (2 / (n_in + n_hidden), 2 / (n_hidden + n_out)),
    ]
    expected = np.array([moments(*pair, *dims) for pair in variances])
    for name, column in zip(QUANTITIES, expected.T, strict=True):
        np.testing.assert_allclose(table.values(f"{name}_theory"), column, rtol=1e-13)


@pytest.mark.parametrize("hidden", [2, 3, 5])
def test_draws_scatter_around_theory(hidden):
    """Variances within a draw are those of theory, also for few hidden units."""
    draws = 200
    table = computed(EXPERIMENT, inputs=6, hidden=hidden, outputs=8, draws=draws)
    for name in ("lambda", "diagonal_variance", "off_diagonal_variance"):
        values = table.values(name)
        error = values.std(axis=1) / np.sqrt(draws)
        assert np.all(np.abs(values.mean(axis=1) - table.values(f"{name}_theory")) < 4 * error), name


@pytest.mark.parametrize("hidden", [2, 3, 5])
def test_distances_scatter_around_theory(hidden):
    """From the nearest multiple of the identity, which is nearer than the mean of all draws."""
    draws = 200
    table = computed(EXPERIMENT, inputs=6, hidden=hidden, outputs=8, draws=draws)
    squares = (table.values("relative_distance") * table.values("lambda")) ** 2
    expected = (table.values("relative_distance_theory") * table.values("lambda_theory")) ** 2
    error = squares.std(axis=1) / np.sqrt(draws)
    known = ~np.isnan(expected)
    assert np.sum(known) >= 3
    assert np.all(np.abs(squares.mean(axis=1) - expected)[known] < 4 * error[known])


def test_a_draw_is_measured_as_defined():
    table = computed(EXPERIMENT, inputs=6, hidden=5, outputs=8, draws=2, seed=3)
    for i, b in enumerate(table.values("balance")):
        lam = np.mean(np.diag(b))
        off = b[np.triu_indices(5, 1)]
        np.testing.assert_allclose(b, b.T, rtol=1e-13)
        assert table.values("lambda")[i, 0] == pytest.approx(lam, rel=1e-13)
        distance = np.linalg.norm(b - lam * np.eye(5)) / np.linalg.norm(lam * np.eye(5))
        assert table.values("relative_distance")[i, 0] == pytest.approx(distance, rel=1e-13)
        assert table.values("diagonal_variance")[i, 0] == pytest.approx(np.var(np.diag(b), ddof=1), rel=1e-12)
        assert table.values("off_diagonal_variance")[i, 0] == pytest.approx(np.mean(off**2), rel=1e-12)
        assert table.values("lambda")[i, 0] != table.values("lambda")[i, 1]


def test_no_relative_distance_without_a_mean():
    table = computed(EXPERIMENT, inputs=4, hidden=4, outputs=4, draws=2)
    assert table.values("lambda_theory")[0] == 0
    assert np.isnan(table.values("relative_distance_theory")[0])
    assert np.all(np.isfinite(table.values("relative_distance")))


def test_entries_converge_and_the_norm_does_not():
    """At fixed ratios of the widths, entries of B - lambda* I shrink as 1 / sqrt(width), and the distance stays."""
    tables = [computed(EXPERIMENT, inputs=n, hidden=3 * n, outputs=5 * n, draws=20) for n in (10, 40)]
    narrow, wide = (np.sqrt(table.values("off_diagonal_variance").mean(axis=1)) for table in tables)
    np.testing.assert_allclose(narrow / wide, 2, rtol=0.1)
    narrow, wide = (table.values("relative_distance").mean(axis=1) for table in tables)
    np.testing.assert_allclose(narrow / wide, 1, rtol=0.1)


def test_picture():
    table = computed(EXPERIMENT, inputs=3, hidden=4, outputs=5, draws=3)
    figure = drawn(EXPERIMENT, table)
    panels = [axes for axes in figure.axes if axes.get_label() != "<colorbar>"]
    np.testing.assert_array_equal(panels[2].images[0].get_array(), table.values("balance")[2])
    np.testing.assert_array_equal(panels[4].lines[1].get_ydata(), table.values("lambda")[1])
    np.testing.assert_array_equal(panels[5].lines[3].get_ydata(), table.values("relative_distance")[3])
    assert [label.get_text() for label in panels[5].get_xticklabels()] == SCHEMES


@pytest.mark.figures
def test_published_values():
    table = computed(EXPERIMENT)
    assert table.coordinates["scheme"] == SCHEMES
    np.testing.assert_allclose(table.values("lambda_theory"), [2 / 3, 4 / 3, 17 / 3, 3 / 4], rtol=1e-13)
    for name, ours in zip(QUANTITIES, (table.values(name) for name in QUANTITIES), strict=True):
        for scheme, values in zip(SCHEMES, ours, strict=True):
            mean, deviation = PUBLISHED[scheme][QUANTITIES.index(name)]
            assert standard_errors_apart(values, mean, deviation, 50) < 3, (scheme, name)
