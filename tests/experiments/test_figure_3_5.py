"""Deviation from descent along lambda against the same problems at single lambdas, and the published curves."""

import numpy as np
import pytest
from support.experiments import computed, drawn, standard_errors_apart

from lindyn_service.experiments import figure_3_4
from lindyn_service.experiments.figure_3_5 import EXPERIMENT

# mean and deviation over 20 trials at each of the ten lambdas below 1 together, and at lambda = 100
PUBLISHED = {
    3: [(0.000109, 0.000098), (0.005429, 0.001637)],
    5: [(0.000284, 0.000150), (0.007065, 0.001230)],
    10: [(0.000927, 0.000226), (0.009253, 0.000428)],
    20: [(0.002331, 0.000213), (0.010858, 0.000197)],
}


def test_one_lambda_is_a_point_of_figure_3_4():
    shared = {"sizes": [3, 5], "steps": 20, "trials": 3, "seed": 2}
    table = computed(EXPERIMENT, lambdas=[7.0], learning_rate=2e-3, **shared)
    point = computed(figure_3_4.EXPERIMENT, **{"lambda": 7.0}, learning_rates=[2e-3], **shared)
    np.testing.assert_array_equal(table.values("deviation"), point.values("deviation"))


def test_each_lambda_has_its_own_problems():
    cells = EXPERIMENT.cells(EXPERIMENT.defaults() | {"lambdas": [0.5, 20.0], "sizes": [2, 4]})
    assert [(cell["size"], cell["lambda"]) for cell in cells] == [(2, 0.5), (2, 20.0), (4, 0.5), (4, 20.0)]
    assert {cell["learning_rate"] for cell in cells} == {1e-4}
    assert len({cell["stream"] for cell in cells}) == 4


def test_deviations_grow_with_large_lambda():
    """Learning is faster, so that a learning rate is coarser: published curves rise 27-fold from 1 to 100."""
    table = computed(EXPERIMENT, lambdas=[1.0, 100.0], sizes=[5], trials=10)
    low, high = table.values("mean")[0]
    assert 15 < high / low < 50


def test_picture():
    table = computed(EXPERIMENT, lambdas=[0.1, 1.0, 10.0], sizes=[2], steps=5, trials=2)
    (axes,) = drawn(EXPERIMENT, table).axes
    assert axes.get_xlabel() == "λ"
    np.testing.assert_array_equal(axes.lines[0].get_ydata(), table.values("mean")[0])


@pytest.mark.figures
def test_published_values():
    table = computed(EXPERIMENT)
    lambdas = table.coordinates["lambda"]
    np.testing.assert_allclose(lambdas, np.logspace(-2, 2, 20), rtol=1e-12)
    for size, found in zip(table.coordinates["size"], table.values("deviation"), strict=True):
        below, (mean, spread) = PUBLISHED[size]
        assert standard_errors_apart(found[lambdas <= 1].ravel(), *below, 200) < 3, size
        assert standard_errors_apart(found[-1], mean, spread, 20) < 3, size
