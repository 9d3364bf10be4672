"""Deviations of wide draws from their limit: the slope in the width, and which lambda predicts the loss."""

import numpy as np
from scipy.integrate import solve_ivp
from support.experiments import computed, drawn

from lindyn_service.dynamics.random_weights import random_weights
from lindyn_service.experiments.wide_limit import EXPERIMENT


def test_deviation_falls_as_the_square_root_and_only_lambda_eff_predicts():
    table = computed(EXPERIMENT, hidden=[256, 2048, 16384], draws=16)
    good, bad = (np.mean(table.values(f"deviation_by_{name}"), axis=1) for name in ("lambda_eff", "balance"))
    slope = np.polyfit(np.log(table.coordinates["hidden"]), np.log(good), 1)[0]
    assert -0.65 < slope < -0.35
    assert good[0] < 0.08
    assert np.all(bad > 0.3)  # it stays almost where it is
    assert np.allclose(table.values("lambda_eff"), np.array([[256], [2048], [16384]]) / 6 + 1, rtol=0.1, atol=0)
    assert np.all(np.abs(table.values("lambda")) < 2)


def test_losses_are_those_of_the_flow_of_all_weights():
    table = computed(EXPERIMENT, inputs=3, outputs=2, hidden=[20], draws=1, seed=5)
    w1, w2 = random_weights((3, 20, 2), "lecun", (1.0, 1.0), np.random.default_rng([5, 1, 0]))
    task = np.random.default_rng([5, 0]).standard_normal((2, 3))

    def velocity(_, state):
        first, second = state[:60].reshape(20, 3), state[60:].reshape(2, 20)
        error = task - second @ first
        return np.concatenate([(second.T @ error).ravel(), (error @ first.T).ravel()])

    times, start = table.values("times")[0], np.concatenate([w1.ravel(), w2.ravel()])
    path = solve_ivp(velocity, (0, times[-1]), start, "DOP853", times, rtol=1e-12, atol=1e-12).y.T
    losses = [0.5 * np.sum((task - state[60:].reshape(2, 20) @ state[:60].reshape(20, 3)) ** 2) for state in path]
    assert np.allclose(table.values("loss")[0, 0], losses, rtol=1e-7, atol=0)


def test_figure():
    drawn(EXPERIMENT, computed(EXPERIMENT, hidden=[20, 40], draws=2))
