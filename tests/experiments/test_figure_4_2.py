"""Representations after training against the integrated flow and the published distances."""

import numpy as np
import pytest
from support.experiments import computed, drawn, standard_errors_apart
from support.flow import balanced_layers, features_of_hierarchy
from support.oracle import integrate

from lindyn_service.experiments.figure_4_2 import EXPERIMENT, limit

SMALL = {"levels": 2, "steps": 2000, "trials": 3, "lambdas": [0.0, 2.0, -2.0], "zero_scale": 0.3}
# distance of the input and output representations: means and deviations over 10 trials
PUBLISHED = {
    "Gaussian, scale 0.001": [(2.97532e-6, 5.6289e-7), (2.97532e-6, 5.62891e-7)],
    "Gaussian, scale 0.42": [(0.558465, 0.111583), (0.580125, 0.145298)],
    "balanced, λ = 0": [(3.83851e-4, 8.74012e-5), (3.83869e-4, 8.74411e-5)],
    "balanced, λ = 10": [(2.04549e-3, 4.62595e-4), (2.45448e-3, 6.17899e-4)],
    "balanced, λ = -10": [(2.45319e-3, 6.15223e-4), (2.22334e-3, 8.67027e-4)],
    "balanced, λ = 100": [(4.70737e-4, 1.72305e-4), (5.8481e-4, 2.3307e-4)],
    "balanced, λ = -100": [(5.84809e-4, 2.33069e-4), (5.36682e-4, 3.17498e-4)],
}


@pytest.mark.parametrize("lam", [0.0, 0.7, 5.0, -0.7])
def test_the_limit_is_that_of_the_flow(lam):
    """Exchanging the layers and transposing the task makes the balance negative."""
    rng = np.random.default_rng(3)
    task = rng.standard_normal((3, 3)) + 2 * np.eye(3)
    w1, w2 = balanced_layers(3, 3, 3, abs(lam), rng)
    w1[:, 0] *= np.sign(np.linalg.det(w2 @ w1) * np.linalg.det(task))
    w2 = balanced_layers_for(w1, abs(lam), w2)
    if lam < 0:
        w1, w2 = w2.T, w1.T
        task = task.T
    end1, end2 = integrate(w1, w2, task, [0.0, 60.0])[-1]
    q = np.concatenate([end1.T, end2])
    np.testing.assert_allclose(limit(task, lam), q @ q.T, rtol=0, atol=1e-8)


def balanced_layers_for(w1, lam, w2):
    """Output directions of w2, with the square root that the balance with w1 requires."""
    left, _, right = np.linalg.svd(w2)
    values, vectors = np.linalg.eigh(lam * np.eye(len(w1)) + w1 @ w1.T)
    return (left @ right) @ (vectors * np.sqrt(values)) @ vectors.T


@pytest.fixture(scope="module")
def table():
    return computed(EXPERIMENT, **SMALL)


def test_the_task_is_learned_and_the_state_is_a_product(table):
    features = features_of_hierarchy(2).T
    assert np.max(table.values("loss")[3:]) < 1e-13
    for number, name in enumerate(table.coordinates["network"][2:], start=2):
        qqt = table.values("qqt")[number]
        assert np.linalg.matrix_rank(qqt, tol=1e-6) <= 4
        if "λ = 0" not in name:  # which may be at its saddle still
            np.testing.assert_allclose(qqt[4:, :4], features, rtol=0, atol=1e-6)
            np.testing.assert_allclose(table.values("limit")[number, 4:, :4], features, rtol=0, atol=1e-12)


def test_deviations_are_those_of_the_state_that_is_shown(table):
    """The limit has lambda* of the weights: tr(W2 W2^T) - tr(W1^T W1) = n lambda*."""
    for number in range(len(table.coordinates["network"])):
        qqt, expected = table.values("qqt")[number], table.values("limit")[number]
        for name, part in (("input_deviation", slice(0, 4)), ("output_deviation", slice(4, 8))):
            distance = np.linalg.norm((qqt - expected)[part, part]) / np.linalg.norm(expected[part, part])
            assert table.values(name)[number, 0] == pytest.approx(distance, rel=1e-9)
        for matrix in (qqt, expected):
            lam = (np.trace(matrix[4:, 4:]) - np.trace(matrix[:4, :4])) / 4
            assert table.values("lambda_star")[number, 0] == pytest.approx(lam, abs=1e-12)


def test_finite_steps_cause_the_deviation_of_balanced_weights_from_the_limit():
    """Deviations and the shift of lambda* are proportional to the learning rate."""
    common = {"levels": 2, "trials": 2, "lambdas": [3.0, -3.0], "gaussian_scales": []}
    coarse, fine = (computed(EXPERIMENT, **common, learning_rate=eta, steps=round(16 / eta)) for eta in (8e-3, 4e-3))
    for name in ("input_deviation", "output_deviation"):
        np.testing.assert_allclose(coarse.values(name) / fine.values(name), 2, rtol=0.1)
    shifts = [np.abs(found.values("lambda_star")) - 3 for found in (coarse, fine)]
    np.testing.assert_allclose(shifts[0] / shifts[1], 2, rtol=0.1)


def test_picture(table):
    figure = drawn(EXPERIMENT, table)
    panels = [axes for axes in figure.axes if axes.images]
    assert [axes.get_title() for axes in panels] == list(table.coordinates["network"])
    for axes, qqt in zip(panels, table.values("qqt"), strict=True):
        np.testing.assert_array_equal(axes.images[0].get_array(), qqt)
        assert axes.images[0].get_clim() == (-np.abs(qqt).max(), np.abs(qqt).max())


@pytest.mark.figures
def test_published_values():
    table = computed(EXPERIMENT)
    assert list(table.coordinates["network"]) == list(PUBLISHED)
    for number, (name, published) in enumerate(PUBLISHED.items()):
        for side, (mean, deviation) in zip(("input_deviation", "output_deviation"), published, strict=True):
            assert standard_errors_apart(table.values(side)[number], mean, deviation, 10) < 3, (name, side)
