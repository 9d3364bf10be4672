"""All places at which a function has a value: several, double ones, at ends of where it exists, and none."""

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from lindyn_service.dynamics.level_crossings import level_crossings


def check(found, places, function, level):
    np.testing.assert_allclose(found.places, places, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(found.values, np.full(len(places), level), rtol=1e-9, atol=1e-14)
    assert found.jumps == ()
    assert found.lowest <= level <= found.highest
    scanned, values = found.scanned
    assert np.all(np.diff(scanned) > 0)
    assert set(found.places) <= set(scanned.tolist())
    if function is not None:
        np.testing.assert_array_equal(values, [function(place) for place in scanned])


def test_one_place():
    check(level_crossings(np.exp, -2.0, 3.0, 2.0), [np.log(2)], np.exp, 2.0)


def test_all_places_of_a_wave():
    found = level_crossings(np.sin, 0.5, 20.0, 0.25)
    first = np.arcsin(0.25)
    waves = [
        np.pi - first,
        *(2 * np.pi * k + each for k in (1, 2) for each in (first, np.pi - first)),
        6 * np.pi + first,
    ]
    check(found, waves, np.sin, 0.25)
    assert found.lowest == pytest.approx(-1.0, rel=1e-12)
    assert found.highest == pytest.approx(1.0, rel=1e-12)


def test_scales_far_apart():
    """Roots at 1e-3 and 1e3 of a function of the logarithm."""
    function = lambda x: (np.log10(x) - 3) * (np.log10(x) + 3)  # noqa: E731
    check(level_crossings(function, 1e-4, 1e5, 0.0), [1e-3, 1e3], function, 0.0)


def test_bounds_below_zero():
    check(level_crossings(lambda x: -1 / x, -100.0, -0.01, 10.0), [-0.1], None, 10.0)


@pytest.mark.parametrize("gap", [1e-3, 1e-6])
def test_two_places_close_together(gap):
    """Between neighbouring places of any scan: they are seen at the extremum."""
    found = level_crossings(lambda x: 1.0 + (x - np.pi) ** 2, 0.0, 10.0, 1.0 + gap**2)
    np.testing.assert_allclose(found.places, [np.pi - gap, np.pi + gap], rtol=1e-9)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_double_place(sign):
    found = level_crossings(lambda x: 2.0 + sign * (x - np.e) ** 2, 0.0, 10.0, 2.0)
    np.testing.assert_allclose(found.places, [np.e], rtol=1e-6)
    np.testing.assert_allclose(found.values, [2.0], rtol=1e-9)


def test_a_function_that_exists_on_a_part():
    """It tends to infinity where it ceases to exist, so that high values are only near the end."""

    def function(x):
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(x < np.pi, -np.log(np.pi - x), np.nan)

    found = level_crossings(function, 0.0, 10.0, 12.0)
    np.testing.assert_allclose(found.places, [np.pi - np.exp(-12.0)], rtol=1e-9)


def test_a_jump_is_no_place():
    found = level_crossings(lambda x: np.where(x < np.sqrt(2), 1.0, 3.0) + 0.0 * x, 0.0, 2.0, 2.0)
    assert found.places == ()
    np.testing.assert_allclose(found.jumps, [np.sqrt(2)], rtol=1e-12)
    assert (found.lowest, found.highest) == (1.0, 3.0)


def test_a_value_that_is_not_reached():
    found = level_crossings(lambda x: x * (1 - x), -1.0, 3.0, 0.3)
    assert found.places == found.jumps == ()
    assert (found.lowest, found.highest) == (-6.0, pytest.approx(0.25, rel=1e-12))


def test_a_function_that_exists_nowhere():
    found = level_crossings(lambda x: np.full(len(x), np.nan), 0.0, 1.0, 0.5)
    assert found.places == ()
    assert np.isnan(found.lowest)


def test_a_place_at_a_bound():
    found = level_crossings(lambda x: x**2, 1.0, 2.0, 4.0)
    assert found.places == (2.0,)
    assert found.values == (4.0,)


def test_a_constant():
    found = level_crossings(lambda x: np.full(len(x), 2.0), 0.0, 1.0, 3.0)
    assert found.places == ()
    assert (found.lowest, found.highest) == (2.0, 2.0)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(-9.5, 9.5), min_size=1, max_size=5, unique=True))
@example([8.5, 8.25, 8.625])  # closer than the scan
def test_roots_of_polynomials(roots):
    roots = sorted(roots)
    assume(np.min(np.diff([-10.0, *roots, 10.0])) > 0.05)
    found = level_crossings(lambda x: np.prod([x - r for r in roots], axis=0), -10.0, 10.0, 0.0)
    np.testing.assert_allclose(found.places, roots, rtol=1e-9, atol=1e-12)
