"""Division of times among interpolation intervals and evaluation."""

import numpy as np
import pytest

from lindyn_service.dynamics.chebyshev import Interval
from lindyn_service.dynamics.time_intervals import MAX_DEGREE, MIN_TIMES, evaluated, time_intervals


def degree_of(_: Interval) -> int:
    return 28


def by_length(interval: Interval) -> int:
    """A degree that only short intervals can have."""
    return round(4000 * interval.length)


@pytest.mark.parametrize(
    "times",
    [
        np.linspace(0, 10, 500),
        np.linspace(7, 9000, 500),
        np.geomspace(1e-6, 1e6, 500),
        np.repeat([0.0, 1.0, 50.0], 100),
    ],
    ids=["linear", "late", "logarithmic", "repeated"],
)
def test_each_time_is_in_one_part_and_within_its_interval(times):
    found = time_intervals(times, 0.3, 64, degree_of)
    assert [i for part in found for i in range(len(times))[part.times]] == list(range(len(times)))
    for part in found:
        inside = times[part.times]
        if part.interval is None:
            assert len(inside) <= 64
        else:
            assert len(inside) >= MIN_TIMES
            assert (part.interval.first, part.interval.last) == (inside[0], inside[-1])
            assert part.interval.length < 3.201
            assert part.interval.degree == 28


@pytest.mark.parametrize("unit", [0.3, 1e70, np.inf])
@pytest.mark.parametrize("step", [5e-324, 1e-320, 1e-308, 0.0])
def test_times_closer_than_the_fastest_change_are_evaluated(step, unit):
    """Their relative positions in the interval have no digits, or the interval has length zero."""
    times = step * np.arange(3000)
    found = time_intervals(times, unit, 10_000, degree_of)
    assert [part.interval for part in found] == [None]
    assert found[0].times == slice(0, 3000)
    assert found[0].refined() == found[0]


def test_halves_keep_the_times_and_halve_the_length():
    times = np.linspace(0, 10, 1000)
    whole = time_intervals(times, 0.3, 64, degree_of)[-1]
    halves = whole.halves(times, 64, degree_of)
    assert [i for part in halves for i in range(1000)[part.times]] == list(range(1000)[whole.times])
    lengths = [part.interval.length for part in halves if part.interval is not None]
    assert lengths
    assert max(lengths) <= whole.interval.length / 2


def test_evaluated_times_have_no_weights_and_no_halves():
    times = np.linspace(0, 1, 5)
    first, second = evaluated(0, 5, 3)
    assert (first.times, second.times) == (slice(0, 3), slice(3, 5))
    assert (first.n_nodes, second.n_nodes) == (3, 2)
    assert list(first.weights(times, 1)) == []
    assert first.halves(times, 3, degree_of) == [first]


@pytest.mark.parametrize("n_times", [400, 40_000])
def test_intervals_are_divided_until_they_need_small_degrees_or_have_few_times(n_times):
    times = np.linspace(1, 10, n_times)
    found = time_intervals(times, 0.3, 64, by_length)
    assert [i for part in found for i in range(n_times)[part.times]] == list(range(n_times))
    interpolated = [part for part in found if part.interval is not None]
    assert bool(interpolated) == (n_times == 40_000)
    for part in interpolated:
        assert part.interval.degree == by_length(part.interval) <= MAX_DEGREE
        assert part.times.stop - part.times.start > part.n_nodes


def test_an_interval_that_cannot_be_halved_is_evaluated():
    """The middle of two neighbouring numbers is rounded to the last of them."""
    first = np.nextafter(1.0, 2.0)
    times = np.repeat([first, np.nextafter(first, 2.0)], 50)
    assert Interval(times[0], times[-1], 3.0, 1).middle == times[-1]
    found = time_intervals(times, 3.0, 1000, lambda _: 2 * MAX_DEGREE)
    assert [part.interval for part in found] == [None]
