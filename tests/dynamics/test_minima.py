"""Global minima of curves: between, at and near the ends, narrow ones, equal ones, and many at once."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lindyn_service.dynamics.minima import Minimum, _earliest, minima


def one(curve, end, speed):
    (found,) = minima(lambda times: curve(times)[None], end, speed)
    return found


def test_a_parabola():
    found = one(lambda t: (t - np.pi) ** 2 + 2.0, 10.0, 1.0)
    assert abs(found.time - np.pi) < 1e-12
    assert found.value == pytest.approx(2.0, rel=1e-15)


@pytest.mark.parametrize("sign", [1, -1])
def test_a_minimum_at_an_end(sign):
    found = one(lambda t: 5.0 + sign * np.expm1(-t), 10.0, 1.0)
    assert found.time == (10.0 if sign > 0 else 0.0)
    assert found.value == 5.0 + min(0.0, sign * np.expm1(-10.0))


@pytest.mark.parametrize("depths", [(0.5, 0.6), (0.6, 0.5)])
def test_the_lower_of_two_narrow_dips(depths):
    centres, widths = (3.0, 70.0), (0.05, 0.5)

    def curve(t):
        dips = zip(depths, centres, widths, strict=True)
        return 1.0 - sum(depth * np.exp(-(((t - centre) / width) ** 2)) for depth, centre, width in dips)

    found = one(curve, 100.0, 20.0)
    assert found.time == pytest.approx(centres[int(np.argmax(depths))], rel=1e-9)
    assert found.value == pytest.approx(1 - max(depths), rel=1e-13)


def test_the_earliest_of_equal_minima():
    assert one(np.cos, 20.0, 1.0).time == pytest.approx(np.pi, rel=1e-9)


def test_a_plateau_is_reached_early():
    """Where a loss has fallen to rounding errors, more time changes nothing."""
    found = one(lambda t: 3.0 + np.exp(-t), 1000.0, 1.0)
    assert found.value == pytest.approx(3.0, rel=1e-14)
    assert 30.0 < found.time <= 1000.0


def test_no_time_at_all():
    found = one(lambda t: 2.0 + t, 0.0, 1.0)
    assert (found.time, found.value) == (0.0, 2.0)


@pytest.mark.parametrize("value", [0.0, 2.0])
def test_a_constant_over_many_time_scales(value):
    found = one(lambda t: np.full(len(t), value), 5.0, 1.0)
    assert found.value == value


def test_a_sample_below_all_candidates_is_the_minimum():
    sample = Minimum(2.0, 1.0)
    found = _earliest(np.array([0.0, 5.0]), np.array([3.0, 4.0]), np.array([True, True]), sample)
    assert found is sample


def test_nothing_moves():
    found = one(lambda t: np.full(len(t), 2.0), 5.0, 0.0)
    assert (found.time, found.value) == (0.0, 2.0)


def test_a_curve_that_is_never_resolved():
    found = one(lambda t: 1.0 + np.abs(np.sin(997.0 * t)), 50.0, 1.0)
    assert 1.0 <= found.value < 1.01


def test_curves_at_once_and_their_times_ascend():
    centres = np.array([0.3, 5.0, 40.0])

    def curves(times):
        assert np.all(np.diff(times) >= 0)
        return (times - centres[:, None]) ** 2

    found = minima(curves, 100.0, 3.0)
    np.testing.assert_allclose([each.time for each in found], centres, rtol=1e-9)


rates = st.lists(st.floats(-3.0, 1.5), min_size=2, max_size=5)


@settings(max_examples=60, deadline=None)
@given(rates, st.integers(0, 2**32 - 1), st.floats(0.1, 3.0))
def test_sums_of_saturating_modes(exponents, seed, decades):
    """Curves as test losses are: squares of sums of exponentials and of sigmoids, against a fine grid."""
    rng, speeds, end = np.random.default_rng(seed), 10.0 ** np.array(exponents), 10.0**decades
    weights, offsets = rng.standard_normal((2, len(speeds)))
    delays = rng.uniform(0, 8, len(speeds))

    def curve(t):
        modes = 1 / (1 + np.exp(np.minimum(delays - speeds * t[:, None], 700)))
        return np.sum((weights * modes - offsets) ** 2, axis=1) + (modes @ weights) ** 2

    found = one(curve, end, float(np.max(speeds)))
    grid = np.union1d(np.linspace(0, end, 20_000), np.geomspace(1e-4, end, 20_000))
    assert found.value <= np.min(curve(grid)) * (1 + 1e-11)
    assert found.value == pytest.approx(curve(np.array([found.time]))[0], rel=1e-13)
    assert 0 <= found.time <= end
