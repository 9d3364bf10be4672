"""Division of times among interpolation intervals and evaluation."""

import numpy as np
import pytest

from lindyn_service.dynamics.time_intervals import MIN_TIMES, evaluated, time_intervals


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
    found = time_intervals(times, 0.3, 64)
    assert [i for part in found for i in range(len(times))[part.times]] == list(range(len(times)))
    for part in found:
        inside = times[part.times]
        if part.interval is None:
            assert len(inside) <= 64
        else:
            assert len(inside) >= MIN_TIMES
            assert (part.interval.first, part.interval.last) == (inside[0], inside[-1])
            assert part.interval.length < 1.501


@pytest.mark.parametrize("unit", [0.3, 1e70, np.inf])
@pytest.mark.parametrize("step", [5e-324, 1e-320, 1e-308, 0.0])
def test_times_closer_than_the_fastest_change_are_evaluated(step, unit):
    """Their relative positions in the interval have no digits, or the interval has length zero."""
    times = step * np.arange(3000)
    found = time_intervals(times, unit, 10_000)
    assert [part.interval for part in found] == [None]
    assert found[0].times == slice(0, 3000)
    assert found[0].refined() == found[0]


def test_halves_keep_the_times_and_halve_the_length():
    times = np.linspace(0, 10, 1000)
    whole = time_intervals(times, 0.3, 64)[-1]
    halves = whole.halves(times, 64)
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
    assert first.halves(times, 3) == [first]
