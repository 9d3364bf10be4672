"""Modes of deep networks against quadrature in many digits, their differential equation and two layers."""

import mpmath as mp
import numpy as np
import pytest
from scipy.integrate import solve_ivp

from lindyn_service.dynamics.decoupled_chain import Chain
from lindyn_service.dynamics.decoupled_modes import decoupled_modes


def precise_time(a, s, a0, depth):
    """Time of equal layers from a0 to a, by quadrature of dt = da / (L a^{2 - 2/L} (s - a)) in log a."""
    power = 1 - mp.mpf(2) / depth
    a, s, a0 = mp.mpf(a), mp.mpf(s), mp.mpf(a0)
    start, stop = mp.log(a0), mp.log(a)
    nodes = mp.linspace(start, stop, 2 + int(2 * abs(stop - start)))
    return mp.quad(lambda x: mp.exp(-power * x) / (depth * (s - mp.exp(x))), nodes)


@pytest.mark.parametrize("depth", [3, 10, 100])
@pytest.mark.parametrize(
    ("s", "a0"),
    [(2.0, 1e-12), (2.0, 1e-3), (1.0, 0.3), (1.0, 0.6), (1.0, 1 - 1e-6), (3.0, 3.1), (1.0, 9.0), (0.1, 1e4)],
)
def test_equal_layers_in_high_precision(s, a0, depth):
    """Saxe et al. (2014), 1312.6120: da/dt = L a^{2 - 2/L} (s - a)."""
    chain = Chain(s, 1.0, np.full(depth, a0 ** (1 / depth)))
    a0 = float(chain.w[0]) ** depth
    for part in (1e-9, 0.5, 1 - 1e-6):
        a = a0 + (s - a0) * part
        time = float(precise_time(a, s, a0, depth))
        rate = depth * a ** (2 - 2 / depth) * abs(s - a)
        strengths, residuals = chain.at(np.array([time]))
        # rounding errors of the time and of the initial strength change the result
        moved = (rate * time + depth * a0 ** (2 - 2 / depth) * abs(s - a0) * time + depth * a) * np.finfo(float).eps
        assert abs(np.prod(strengths) - a) <= 1e-13 * a + 20 * moved
        assert abs(residuals[0] - (s - a)) <= 1e-12 * abs(s - a) + 20 * moved


@pytest.mark.parametrize(
    ("s", "d", "start", "others"),
    [
        (2.0, 0.5, 1.0, [2.0, 3.0]),
        (2.0, 1.0, -0.3, [0.5, 0.9, 1.1]),
        (1e-3, 1.0, 1e-6, [1e-3, 2.0]),
        (1e3, 0.1, 1e-6, [2e-6, 2e-6]),
        (0.3, 1.0, 20.0, [20.00001, 35.0]),
    ],
)
def test_unequal_layers_in_high_precision(s, d, start, others):
    """The smallest strength w at the time that quadrature of dw / (g (s - d w g)) in 30 digits gives for it."""
    excess = [mp.mpf(other) ** 2 - mp.mpf(start) ** 2 for other in others]

    def product(w):
        return mp.sqrt(mp.fprod(w**2 + e for e in excess))

    with mp.workdps(30):
        end = mp.findroot(lambda w: d * w * product(w) - s, (mp.mpf(0), mp.mpf(100)), solver="bisect", verify=False)
    for part in (1e-3, 0.5, 1 - 1e-5):
        with mp.workdps(30):
            w = start + (end - start) * part
            nodes = [end + (start - end) * ((w - end) / (start - end)) ** (mp.mpf(k) / 24) for k in range(25)]
            time = mp.quad(lambda v: 1 / (product(v) * (mp.mpf(s) - mp.mpf(d) * v * product(v))), nodes)
            rate = float(product(w) * abs(s - mp.mpf(d) * w * product(w)))
            residual = float(s - d * w * product(w))
            slope = float(d * product(w)) * (1 + len(others))
        strengths, residuals = Chain(s, d, np.array([start, *others])).at(np.array([float(time)]))
        moved = 20 * np.finfo(float).eps * (rate * float(time) + abs(start))
        assert abs(strengths[0, 0] - float(w)) <= 1e-13 * abs(float(w)) + moved
        assert abs(residuals[0] - residual) <= 1e-12 * abs(residual) + slope * moved


LAYERS = [
    (2.0, 1.0, [0.3, 0.5, 0.9]),
    (2.0, 1.0, [0.3, -0.5, 0.9, 1.1]),  # crosses zero
    (2.0, 1.0, [0.3, -0.3, 0.9]),  # cannot cross zero
    (1.0, 1.0, [-0.2, 0.2000001, 0.2]),
    (2.0, 0.5, [3.0, 2.0, 1.0]),  # from above
    (2.0, 1.0, [0.0, 0.1, 0.4]),
    (1.0, 1.0, [0.01, 0.01, 0.02, 0.5]),
    (0.0, 0.5, [3.0, 2.0, 1.0]),  # no task
    (0.0, 0.5, [1.0, -1.0, 2.0]),
    (0.0, 0.5, [-1.0, 1.0, 1.0]),
    (2.0, 0.7, [1.2, 0.9, 1.3]),  # near the end
]


@pytest.mark.parametrize(("s", "d", "layers"), LAYERS)
def test_the_gradient_flow(s, d, layers):
    times = np.array([0.0, 0.1, 0.5, 1.0, 3.0, 10.0])

    def velocity(_, w):
        return (s - d * np.prod(w)) * np.array([np.prod(np.delete(w, layer)) for layer in range(len(w))])

    flow = solve_ivp(velocity, (0, 10), layers, "DOP853", times, rtol=1e-13, atol=1e-17).y.T
    strengths, residuals = Chain(s, d, np.array(layers)).at(times)
    assert np.max(np.abs(strengths - flow)) <= 2e-11  # accuracy of the integration itself
    assert np.allclose(residuals, s - d * np.prod(flow, axis=1), rtol=1e-11, atol=2e-11)


@pytest.mark.parametrize(("s", "x", "y"), [(2.0, 1e-3, 2.0), (0.3, 1.0, 5.0), (1.0, -0.2, 0.6), (1e-3, 40.0, 50.0)])
def test_two_layers_as_in_their_closed_form(s, x, y):
    modes = decoupled_modes(np.array([s]), np.array([0.8]), np.array([[x]]), np.array([[y]]), np.zeros(1))
    times = np.array([0.0, 0.1, 1.0, 10.0, 60.0, 300.0]) / modes.kappa[0]
    found, (strengths, residuals) = modes.at(times), Chain(s, 0.8, np.array([x, y])).at(times)
    assert np.allclose(strengths[:, 0], found.x[:, 0, 0] * np.sign(x), rtol=1e-12, atol=1e-14) or np.allclose(
        np.abs(strengths), np.abs(np.stack([found.x[:, 0, 0], found.y[:, 0, 0]], axis=1)), rtol=1e-12, atol=1e-14
    )
    assert np.allclose(np.prod(strengths, axis=1), found.strengths[:, 0], rtol=1e-12, atol=1e-15)
    phase = 1 + modes.kappa[0] * times
    assert np.all(np.abs(residuals / found.residuals[:, 0] - 1) <= 2e-13 * phase)


def test_late_residuals_decay_at_the_asymptotic_rate():
    """The rate is d times the sum of the squared products of the other layers in the limit, where prod = s / d."""
    chain = Chain(2.0, 0.5, np.array([0.2, 0.7, 1.5]))
    end = chain.at(np.array([1e9]))[0][0]
    assert np.isclose(np.prod(end), 4.0, rtol=1e-15, atol=0)
    assert np.allclose(end**2 - end[0] ** 2, chain.w**2 - chain.w[0] ** 2, rtol=1e-13, atol=0)
    rate = 0.5 * 16.0 * np.sum(1 / end**2)
    residuals = chain.at(np.array([40.0, 300.0]) / rate)[1]
    assert np.isclose(residuals[1] / residuals[0], np.exp(-260.0), rtol=1e-12, atol=0)


def test_modes_at_fixed_points_are_constant():
    for s, layers in ((1.0, [0.0, 0.0, 1.0]), (2.0, [2.0, 1.0, 1.0]), (0.0, [0.0, 2.0, 3.0])):
        chain = Chain(s, 1.0, np.array(layers))
        strengths, residuals = chain.at(np.array([0.0, 1.0, 1e9]))
        assert np.array_equal(strengths, np.tile(layers, (3, 1)))
        assert np.array_equal(residuals, np.full(3, s - np.prod(layers)))


def test_time_0_and_the_largest_times():
    s, a0 = [2.0, 2.0, 2.0, 0.0, 1e-200, 1.0], [1e-100, 0.5, 7.0, 1.0, 1.0, 1.0]
    found = [Chain(a, 1.0, np.full(3, b ** (1 / 3))).at(np.array([0.0, 1e150]))[0] for a, b in zip(s, a0, strict=True)]
    strengths = np.prod(found, axis=2)
    assert np.allclose(strengths[:, 0], a0, rtol=1e-13, atol=0)
    # without a task, da/dt = -L a^{3 - 2/L}
    decayed = (1 + 4 * 1e150) ** -0.75
    assert np.allclose(strengths[:, 1], [2.0, 2.0, 2.0, decayed, decayed, 1.0], rtol=1e-12, atol=0)


@pytest.mark.parametrize("small", [1e-4, 1e-8, 1e-12])
def test_continuous_where_layers_become_equal_or_the_task_vanishes(small):
    times = np.array([0.3, 2.0, 8.0])

    def at(s, layers):
        return Chain(s, 1.0, np.array(layers)).at(times)[0]

    for start in (0.4, 0.2):
        assert np.allclose(at(1.0, [0.4 + small, start, 0.4]), at(1.0, [0.4, start, 0.4]), atol=20 * small + 1e-13)
    assert np.allclose(at(small, [0.9, 0.5, 1.0]), at(0.0, [0.9, 0.5, 1.0]), atol=20 * small + 1e-13)
