"""Reversal against the equation of each mode: da/dt = sqrt(lambda^2 + 4 a^2) (target - a)."""

import numpy as np
import pytest
from scipy.integrate import quad, solve_ivp
from support.experiments import computed, drawn

from lindyn_service.experiments.reversal_learning import EXPERIMENT

S = np.array([3.0, 2.0, 1.0])
SADDLE = 0.5 * np.sum(S**2)


def strengths(a0, lam, target, times):
    flow = solve_ivp(
        lambda _, a: np.sqrt(lam**2 + 4 * a**2) * (target - a),
        (0, times[-1]),
        a0,
        method="DOP853",
        t_eval=times,
        rtol=1e-12,
        atol=1e-14,
    )
    return flow.y.T


def starts(table, row):
    """The losses of S and -S at time 0 differ by 2 s a: enough for one mode."""
    loss = table.values("loss")[row, :, 0]
    s = table.values("singular_values")[0]
    return (loss[1] - loss[0]) / (2 * s)


@pytest.mark.parametrize("seed", range(4))
def test_one_mode_follows_its_equation(seed):
    lambdas = [-1.0, 0.0, 1e-3, 0.3, 5.0]
    table = computed(EXPERIMENT, lambdas=lambdas, singular_values=[1.7], duration=4.0, points=21, seed=seed)
    times = np.linspace(0, 4, 21)
    for row, lam in enumerate(lambdas):
        a0 = starts(table, row)
        first = strengths([a0], lam, 1.7, times)[:, 0]
        # without a balance a mode reaches 0 and stays
        second = strengths([first[-1]], lam, -1.7, times)[:, 0]
        a = np.concatenate([first, second])
        for task, target in enumerate((1.7, -1.7)):
            np.testing.assert_allclose(table.values("loss")[row, task], 0.5 * (target - a) ** 2, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("seed", range(8))
def test_stuck_without_a_balance_and_freed_with_one(seed):
    table = computed(EXPERIMENT, lambdas=[0.0, 1e-4, -1e-4, 2.0], singular_values=S.tolist(), duration=60.0, seed=seed)
    reversed_loss = table.values("loss")[:, 1]
    assert reversed_loss[0, -1] == pytest.approx(SADDLE, rel=1e-10)
    assert np.min(reversed_loss[0]) >= SADDLE * (1 - 1e-12)
    assert np.all(reversed_loss[1:, -1] < 1e-20)
    assert np.isnan(table.values("learning_time")[0, 1])
    assert np.all(np.isfinite(table.values("learning_time")[1:]))
    # the first task is learned before it is reversed, whatever the balance
    middle = len(table.coordinates["time"]) // 2
    assert table.coordinates["time"][middle] == table.coordinates["time"][middle - 1] == 60
    assert np.all(table.values("loss")[:, 0, middle - 1] < 1e-20)
    np.testing.assert_allclose(reversed_loss[:, middle], 4 * SADDLE, rtol=1e-10)


@pytest.mark.parametrize("lam", [1e-6, 1e-2, -0.5, 3.0])
def test_time_to_relearn_one_mode_by_quadrature(lam):
    """From a = s to the strength at which 1/2 (s + a)^2 is the fraction of 1/2 s^2 that counts as learned."""
    s, tolerance = 1.3, 1e-3
    table = computed(EXPERIMENT, lambdas=[lam], singular_values=[s], duration=40.0, tolerance=tolerance)
    end = s * (np.sqrt(tolerance) - 1)
    # a = lambda / 2 sinh x takes the peak at 0 away: da / sqrt(lambda^2 + 4 a^2) = dx / 2
    bounds = np.arcsinh(2 * np.array([end, s]) / abs(lam))
    expected, _ = quad(lambda x: 0.5 / (s + abs(lam) / 2 * np.sinh(x)), *bounds, epsabs=0, epsrel=1e-11, limit=500)
    assert table.values("learning_time")[0, 1] == pytest.approx(expected, rel=1e-8)


def test_the_delay_grows_with_the_logarithm_of_the_balance():
    """By log(10) / s of the weakest mode for each factor of ten."""
    table = computed(EXPERIMENT, lambdas=[1e-3, 1e-4, 1e-5, 1e-6], singular_values=S.tolist(), duration=60.0)
    delays = np.diff(table.values("learning_time")[:, 1])
    np.testing.assert_allclose(delays, np.log(10) / S.min(), rtol=1e-3)


def test_both_signs_of_lambda_are_equivalent():
    """By the exchange of the layers: W1 <-> W2^T and lambda -> -lambda."""
    table = computed(EXPERIMENT, lambdas=[0.4, -0.4])
    np.testing.assert_allclose(*table.values("loss"), rtol=1e-9, atol=1e-12)


def test_picture():
    table = computed(EXPERIMENT)
    losses, times = drawn(EXPERIMENT, table).axes
    for line, loss in zip(losses.lines, table.values("loss")[:, 1], strict=False):
        np.testing.assert_array_equal(line.get_ydata(), loss)
    first, second, slope = times.lines
    order = np.argsort(np.abs(table.coordinates["lambda"]))[1:]
    np.testing.assert_array_equal(np.abs(first.get_xdata()), np.abs(table.coordinates["lambda"])[order])
    np.testing.assert_array_equal(second.get_ydata(), table.values("learning_time")[order, 1])
    np.testing.assert_allclose(slope.get_ydata()[:3], second.get_ydata()[:3], rtol=0.01)


def test_picture_without_any_balance():
    table = computed(EXPERIMENT, lambdas=[0.0], points=5)
    assert len(drawn(EXPERIMENT, table).axes) == 2
