"""Decoupled modes of two layers against arithmetic with many digits."""

import mpmath as mp
import numpy as np
import pytest

from lindyn_service.dynamics.aligned_modes import aligned_strengths
from lindyn_service.dynamics.decoupled_modes import decoupled_modes


def modes_by_exponential(s, d, x, y, phase):
    """Time phase / kappa, and strength, residual, rows and change of |x|^2 then, by a matrix exponential for e^{2G}."""
    with mp.workdps(80 + int(phase)):
        s, d = mp.mpf(float(s)), mp.mpf(float(d))
        x, y = ([mp.mpf(float(value)) for value in row] for row in (x, y))
        alpha = d * sum((a + b) ** 2 for a, b in zip(x, y, strict=True)) / 2
        beta = d * sum((a - b) ** 2 for a, b in zip(x, y, strict=True)) / 2
        kappa = mp.sqrt(s**2 + alpha * beta)
        time = mp.mpf(float(mp.mpf(phase) / kappa)) if kappa else mp.mpf(phase)
        generator = mp.matrix([[s, beta], [alpha, -s]])
        moved = mp.eye(2) + time * generator
        if kappa:
            moved = mp.cosh(kappa * time) * mp.eye(2) + mp.sinh(kappa * time) / kappa * generator
        growth = mp.sqrt((moved[0, 0] + moved[0, 1]) / (moved[1, 0] + moved[1, 1]))
        new_x = [((a + b) * growth + (a - b) / growth) / 2 for a, b in zip(x, y, strict=True)]
        new_y = [((a + b) * growth - (a - b) / growth) / 2 for a, b in zip(x, y, strict=True)]
        a = sum(p * q for p, q in zip(new_x, new_y, strict=True))
        change = sum(p**2 for p in new_x) - sum(p**2 for p in x)
        return float(time), (
            float(a),
            float(s - d * a),
            *(np.array(row, float) for row in (new_x, new_y)),
            float(change),
        )


def solved(s, d, x, y, errors=0.0):
    return decoupled_modes(np.array([s]), np.array([d]), x[None], y[None], np.array([errors]))


def difference(got, expected):
    size = np.linalg.norm(expected)
    return 0.0 if np.array_equal(got, expected) else np.linalg.norm(got - expected) / size


def largest_error(s, d, x, y):
    largest = 0.0
    modes = solved(s, d, x, y)
    for phase in (0.0, 1e-3, 1.0, 10.0, 80.0):
        time, expected = modes_by_exponential(s, d, x, y, phase)
        found = modes.at(np.array([time]))
        rows = (modes.hidden_rows(each)[0, 0] for each in (found.x, found.y))
        got = (found.strengths[0, 0], found.residuals[0, 0], *rows, found.square_changes[0, 0])
        # e^{-2 phase} is known to the rounding error of its phase
        errors = [difference(*pair) / (1 + phase / 4) for pair in zip(got, expected, strict=True)]
        largest = max(largest, *errors)
    return largest


@pytest.mark.parametrize("seed", range(60))
def test_rows_of_any_direction_and_size(seed):
    """Sizes 1e-6 to 1e3, variances 1e-3 to 1e3; strengths positive, so that no digits are lost by crossing zero."""
    rng = np.random.default_rng(seed)
    s, d, sizes = 10 ** rng.uniform(-6, 3), 10 ** rng.uniform(-3, 3), 10 ** rng.uniform(-6, 3, 2)
    x, y = rng.standard_normal((2, 3)) * sizes[:, None]
    y = -y if x @ y < 0 else y
    assert largest_error(s, d, x, y) <= 1e-14


@pytest.mark.parametrize("s", [0.0, 1e-6, 2.0, 1e3])
@pytest.mark.parametrize(("first", "second"), [(1.0, 1.0), (1e-6, 1e3), (1e3, 1e-6), (0.0, 2.0), (3.0, 0.0)])
def test_parallel_rows(s, first, second):
    x, y = np.array([first, 0.0]), np.array([second, 0.0])
    assert largest_error(s, 0.7, x, y) <= 1e-14


def test_opposite_rows_cross_zero():
    x, y = np.array([0.5, 0.1]), np.array([-0.4, 0.3])
    modes = solved(1.0, 1.0, x, y)
    for phase in (0.1, 1.0, 5.0, 30.0):
        time, expected = modes_by_exponential(1.0, 1.0, x, y, phase)
        found = modes.at(np.array([time]))
        assert abs(found.strengths[0, 0] - expected[0]) <= 1e-15
        assert np.allclose(modes.hidden_rows(found.x)[0, 0], expected[2], atol=1e-15)
        assert difference(found.residuals[0, 0], expected[1]) <= 5e-14


@pytest.mark.parametrize("lam", [0.0, 1e-6, 1.0, -1.0, 1e4])
def test_one_hidden_unit_per_mode_as_in_balanced_networks(lam):
    """Compare with the two-dimensional exact solution, which is evaluated in another way, also for late residuals."""
    s, a0 = np.array([3.0, 1.0, 0.1]), np.array([1e-3, 0.5, 0.2])
    large = np.sqrt((np.sqrt(lam**2 + 4 * a0**2) + abs(lam)) / 2)
    x, y = (a0 / large, large) if lam >= 0 else (large, a0 / large)
    one = np.ones((3, 1))
    modes = decoupled_modes(s, np.ones(3), x[:, None] * one, y[:, None] * one, np.zeros(3))
    assert np.allclose(modes.lam, lam, rtol=1e-12, atol=1e-15)
    times = np.array([0.0, 0.1, 2.0, 9.0]) / max(1.0, abs(lam))
    assert np.allclose(modes.at(times).strengths, aligned_strengths(s, a0, lam, times), rtol=1e-13, atol=0)


@pytest.mark.parametrize("scale", [1e3, 1e6])
def test_very_late_times(scale):
    """Far beyond the slowest time scale the limit is reached, and nothing overflows."""
    modes = decoupled_modes(
        np.array([3.0, 1e-6, 0.0]),
        np.array([0.5, 2.0, 1.0]),
        np.eye(3) * 1e-6,
        np.eye(3) * [1e-6, 1e3, 2.0],
        np.zeros(3),
    )
    times = scale / modes.kappa.min() * np.array([0.5, 1.0])
    found = modes.at(times)
    assert np.allclose(found.strengths, [6.0, 5e-7, 0.0], rtol=1e-15, atol=1e-300)
    assert np.all(np.isfinite(found.x))
    assert np.all(np.abs(found.residuals) <= 1e-300)


def test_modes_without_inputs_stay():
    modes = solved(0.0, 0.0, np.array([0.3, 0.2]), np.array([0.1, -2.0]))
    found = modes.at(np.array([0.0, 5.0, 1e9]))
    assert np.allclose(modes.hidden_rows(found.x)[:, 0], [0.3, 0.2], rtol=1e-15, atol=0)
    assert np.allclose(modes.hidden_rows(found.y)[:, 0], [0.1, -2.0], rtol=1e-15, atol=0)
    assert not np.any(found.square_changes)


def test_without_task_and_balance_the_decay_is_algebraic():
    """With l = 0 and s = 0, da/dt = -2 d a^2."""
    modes = solved(0.0, 0.5, np.array([2.0, 0.0]), np.array([2.0, 0.0]))
    times = np.array([0.0, 1.0, 1e6])
    assert np.allclose(modes.at(times).strengths[:, 0], 4 / (1 + 4 * times), rtol=1e-15, atol=0)


def test_opposite_rows_of_equal_length_are_never_learned():
    """x = -y shrinks towards the saddle: |x|^2 = r has dr/dt = -2 r (s + d r)."""
    s, d, x = 2.0, 0.5, np.array([0.6, 0.8])
    modes = solved(s, d, x, -x + 1e-16, errors=1e-16)
    assert modes.unreached[0]
    times = np.array([0.0, 0.4, 3.0, 1e3])
    fall = np.exp(-2 * s * times)
    found = modes.at(times)
    expected = s * fall / (s + d * (1 - fall))
    assert np.allclose(-found.strengths[:, 0], expected, rtol=1e-14, atol=1e-300)
    assert np.allclose(np.vecdot(found.x[:, 0], found.x[:, 0]), expected, rtol=1e-14, atol=1e-300)
    assert np.allclose(found.residuals[:, 0], s + d * expected, rtol=1e-14, atol=0)
    assert np.allclose(found.square_changes[:, 0], expected - 1, atol=1e-15)


@pytest.mark.parametrize("small", [1e-4, 1e-8, 1e-12, 1e-16])
def test_continuous_where_conditions_are_crossed(small):
    """As balance, variance or task tend to zero, results tend in proportion to those at zero."""
    x, y, times = np.array([0.5, 0.0]), np.array([0.5, 0.0]), np.array([0.3, 2.0])

    def at(s, d, second):
        return solved(s, d, x, second).at(times).strengths[:, 0]

    assert np.allclose(at(1.0, 1.0, y + np.full(2, small)), at(1.0, 1.0, y), atol=5 * small + 1e-15)
    assert np.allclose(at(0.0, small, y), at(0.0, 0.0, y), atol=5 * small + 1e-15)
    assert np.allclose(at(small, 1.0, y), at(0.0, 1.0, y), atol=5 * small + 1e-15)
